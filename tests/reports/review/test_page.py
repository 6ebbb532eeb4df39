"""The report holds everything, needs nothing, and nothing in it runs."""

import argparse
import re
import shlex
from html.parser import HTMLParser

import pytest

from protocore.cli import generate as command
from protocore.reports.review.page import POLICY, report_html
from protocore.review.events import Revealed
from protocore.review.material import ReportMaterial
from protocore.review.results import adjusted
from tests.library.samples import SETTINGS
from tests.reports.review.samples import (
    BADGE,
    EVIL,
    hostile_material,
    hostile_session,
    usual_material,
    usual_session,
)
from tests.review.results_samples import (
    CLAIM,
    ROUND,
    TEST,
    WEIGHTS,
    a_test,
    claimed,
    observed,
    result,
    round_opened,
    session_of,
    side,
    started,
)


class Reader(HTMLParser):
    """Texts, elements and attributes of a page."""

    VOID = ("meta", "img", "br", "line", "rect", "circle", "polyline")

    def __init__(self, page):
        super().__init__()
        self.elements, self.attributes, self.texts, self.open = [], [], [], []
        self.rows = [[]]
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag, f"{tag} closes something else"

    def handle_data(self, data):
        self.texts.append(data)
        if self.rows[-1] and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    @property
    def text(self):
        return "".join(self.texts)

    def row(self, *starts):
        """The table row that begins with these cells."""
        return next(row for row in self.rows if row[: len(starts)] == list(starts))

    def part(self, start, end):
        """The text between two headings."""
        return self.text[self.text.index(start) : self.text.index(end)]


@pytest.fixture(scope="module")
def page():
    return Reader(report_html(usual_session(), usual_material()))


def test_the_page_is_whole_and_loads_nothing(page):
    assert page.open == []
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & set(page.elements)
    assert ("meta", "content", POLICY) in page.attributes
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("src", "href"):
            assert value.startswith(("data:image/png;", "data:image/jpeg;", "#")), value
    assert "url(" not in page.text


def test_the_first_page_stands_alone(page):
    front = page.part("Bias review", "Claim 1: Golf balls")
    for fact in (
        "tiny · TEST", "1 · golf ball", "Ada, Bob", "2026-01-02 03:00:01 UTC",
        "2 reviewers looked at 4 pictures", "1 claim about", "Of 1 claim: 1 supported.",
        "evidence: moderate", "outcome: supported", "Ada: supported; Bob: undecided",
        "logit, A - B: +3.000", "Claim 1 was changed after its first test", "kappa",
    ):  # fmt: skip
        assert fact in front, fact
    assert page.row("weights, SHA-256")[1] == WEIGHTS


def test_the_three_pictures_are_those_that_claims_rest_on_first(page):
    shown = re.findall(r"Picture (\d) of round (\d):", page.part("Bias review", "Claim 1: Golf"))
    assert shown == [("1", "1"), ("2", "1"), ("3", "1")]


def test_long_texts_are_cut_beside_the_claim_and_whole_in_the_appendix():
    long = "w" * 500
    text = Reader(
        report_html(session_of(started(), claimed(statement=long, why=long)), ReportMaterial())
    ).text
    main, appendix = text.split("Appendix A")
    assert long not in main and "w" * 200 in main
    assert appendix.count(long) == 2


def test_the_claim_as_locked_and_what_changed_later(page):
    assert page.row("claim")[1] == "Golf balls lie on grass."
    assert page.row("predicted")[1] == "logit higher in A than in B"
    assert page.row("rests on")[1] == "picture 1 of round 1, by Ada"
    changes = [row for row in page.rows if row[:1] == ["13"] and "AFTER the lock" in row]
    assert [row[4:] for row in changes] == [
        ["claim", "Golf balls lie on grass.", "Golf balls lie on <i>wet</i> grass."],
        ["cohort B", "on sand", "on snow"],
        ["why", "grass in two of two", "no reason given"],
    ]


def test_the_tables_of_the_test(page):
    assert page.row("on sand")[:4] == ["on sand", "12", "6", "50.0 % (25.4 to 74.6 %)"]  # Wilson
    assert page.row("on sand")[4] == "6"  # taken for the rival
    row = page.row("▸ logit (golf ball)")
    primary = result().analysis.primary
    assert row[1] == "+3.000"
    assert row[3:5] == ["permutation, greater", f"{primary.p:.3g}"]
    assert row[5].startswith("Cohen's d ")
    assert "Note: small cohort: 12 images" in page.text


def test_images_with_predictions_the_wrong_ones_first(page):
    short = re.findall(r"(✓|✗) (golf ball|French horn)p ", page.text.split("Appendix A")[0])
    assert short == [("✓", "golf ball")] * 6 + [("✗", "French horn")] * 6
    shown = re.findall(r"(✓|✗) (golf ball|French horn)p ", page.text.split("Appendix A")[1])
    assert shown[:12] == [("✓", "golf ball")] * 12  # cohort A
    assert shown[12:] == [("✗", "French horn")] * 6 + [("✓", "golf ball")] * 6
    assert "Cohort B: on sand — 6 of 12 images misclassified" in page.text


def test_more_images_than_fit_are_counted():
    many = usual_material(result=result(a=side("a", 3.0, 40)))
    assert "and 16 more." in Reader(report_html(usual_session(), many)).text


def test_evidence_with_its_rules(page):
    assert page.row("recurs")[1] == "✗ no"  # two prototypes are too few
    assert page.row("blind")[1:3] == ["✓ yes", "1 of 1 observations were written blind"]
    assert page.row("occlusion")[1] == "✓ yes"
    assert page.row("test")[1] == "✓ yes"


def test_blind_rounds_with_regions_and_agreement(page):
    assert page.row("1", "Ada")[2:] == ["blind", "80%", "grass", "2 regions", "green blades\nbelow"]
    assert (
        page.row("2", "Bob")[4] == "dimples, grass" or page.row("2", "Bob")[4] == "grass, dimples"
    )
    assert page.row("Cohen's kappa on tags")[1] == "0.33"
    assert page.row("1", "Ada", "25.0%")[4:] == ["2.50", "up to 1.00; exceeds 100% of 2", "✓ yes"]
    boxes = [v for t, n, v in page.attributes if (t, n) == ("rect", "width") and v == "50"]
    assert len(boxes) == 8  # two boxes with halos, on the first page and in the appendix


def test_prototypes_with_badge_settings_and_command(page):
    found = page.row("path similarity")
    assert found[1] == BADGE
    assert page.row("prediction")[1] == "probability 0.900, logit 3.50"
    assert "hf weight 1000.0" in page.row("settings")[1]
    assert page.row("weights")[1] == "those of the session"


def test_the_command_makes_the_same_again(page):
    """With the options there are, each set as in the record."""
    words = shlex.split(page.row("to make it again")[1])
    assert words[:4] == ["python", "-m", "protocore", "generate"]
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())
    args = parser.parse_args(words[3:])
    assert (args.model, args.classes, args.seeds) == ("demo", "1", "0")
    assert command.settings_from_args(args, "demo") == SETTINGS


def test_the_log_and_the_hashes(page):
    assert page.row("2", "2026-01-02 03:00:02 UTC")[2:] == ["Bob", "joined"]
    assert page.row("13", "2026-01-02 03:00:13 UTC", "Ada", "changed claim 1")
    assert page.row("16", "2026-01-02 03:00:16 UTC")[3] == "noted: done"
    assert page.row(f"tests/{TEST}/result.json")[1] == "cd" * 32
    assert page.row(f"prototypes/{'1f' * 8}.png")[1] == "ef" * 32


def test_what_is_missing_is_said():
    page = Reader(report_html(usual_session(), ReportMaterial()))
    assert page.text.count("is missing, or not the one") >= 8
    assert "The result of the last test is missing" in page.text


def test_a_session_that_has_just_begun():
    text = Reader(report_html(session_of(started()), ReportMaterial())).text
    assert "No claim has been written yet." in text
    assert "No pictures have been looked at." in text


def test_several_claims_are_corrected():
    other = "c2c2c2c2"
    session = session_of(
        started(), claimed(), claimed(other), *a_test(), *a_test(other, "7e577e58")
    )
    results = {TEST: result(), "7e577e58": result(a=side("a", 0.45), b=side("b", 0.0))}
    page = Reader(report_html(session, ReportMaterial(results=results)))
    assert "2 claims of this session were tested" in page.text
    row = page.row("▸ logit (golf ball)")
    assert row[5] == f"{adjusted(session, results)[TEST]:.3g}"
    assert "after Holm's correction" in page.text


def test_a_repeated_test_is_visible():
    session = session_of(started(), claimed(), *a_test(), *a_test(test="7e577e58"))
    page = Reader(report_html(session, ReportMaterial(results={"7e577e58": result()})))
    assert "This claim was tested more than once." in page.text


def test_the_words_of_who_has_not_finished_stay_hidden():
    session = session_of(
        started(),
        round_opened(),
        observed(1, text="early bird"),
        ("Bob", observed(1, text="secret owl")),
        Revealed(round=ROUND),
    )
    text = Reader(report_html(session, ReportMaterial())).text
    assert "early bird" in text and "secret owl" not in text
    assert "Bob: not finished looking" in text


# --- hostile texts ---


def test_hostile_texts_are_texts():
    page = Reader(report_html(hostile_session(), hostile_material()))
    assert page.open == []
    assert "script" not in page.elements
    assert page.elements.count("style") == 1
    allowed = {"class", "src", "alt", "href", "id", "dir", "content", "lang", "charset", "name"}
    allowed |= {"xmlns", "http-equiv", "role", "aria-label", "viewbox", "preserveaspectratio"}
    allowed |= {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height"}
    allowed |= {"scope", "tabindex"}
    assert {name for _, name, _ in page.attributes} <= allowed
    for text in EVIL[:6]:
        assert page.text.count(text) > 10, text  # shown as they are
    for _, name, value in page.attributes:
        if name in ("src", "href"):
            assert value.startswith(("data:image/", "#"))


def test_directions_are_not_turned_and_surrogates_can_be_written():
    page = report_html(hostile_session(), hostile_material())
    assert "\u202e" not in page and "\u2066" not in page
    assert "\ufffdgnp.exe\ufffd" in page
    material = hostile_material()
    material.pictures["1f" * 8].record.versions["x"] = "\ud800"
    assert report_html(hostile_session(), material).encode()


def test_only_images_are_shown_as_images():
    page = report_html(hostile_session(), hostile_material())
    assert "no picture available" in page  # for files that are none
    assert "svg+xml" not in page


def test_the_same_gives_the_same():
    pages = {report_html(usual_session(), usual_material()) for _ in range(2)}
    assert len(pages) == 1
    assert CLAIM not in pages.pop()  # identifiers of no use to people
