"""Bias Review in a real browser: nothing entered is lost, two at once stay blind, no note acts."""

import re
import time

import pytest

from protocore.cohorts.plan import TestPlan
from protocore.library.library import Library
from protocore.review import events as ev
from tests.browser.conftest import PATIENCE, settle
from tests.pages.review_site import CLAIM, prepare

pytestmark = pytest.mark.browser

TEXT = "[class*=st-key-look_text] textarea"
BOARD = ".st-key-review_marker canvas[data-item=before]"
HOSTILE = (
    "<script>window.hurt=1</script><img src=x onerror='window.hurt=1'> "
    "[go](javascript:window.hurt=1) ![p](http://127.0.0.1:9/x.png) $x^2$ :rainbow[r] "
    ":material/home: :smile: `c` **b** &lt;i&gt; :streamlit:"
)

JOINER = "\u2060"  # keeps Streamlit from making icons of words; it takes no room


@pytest.fixture
def site(server_at_rest):
    """A server on a library with a session of Ada's with one round, and what it holds now."""
    site = Site(server_at_rest, prepare(server_at_rest.home))
    server_at_rest.start()
    yield site
    site.library.close()


class Site:
    """The session as another process sees and changes it."""

    def __init__(self, server, review):
        self.server, self.review = server, review
        self.library = Library(server.home)

    @property
    def session(self):
        return self.library.reviews.session(self.review)

    @property
    def round(self):
        return self.session.rounds[0]

    def said(self, author):
        """What the author has written blind, by picture."""
        return {item: one.said for (item, who), one in self.round.blind.items() if who == author}

    def until(self, condition, what):
        deadline = time.monotonic() + PATIENCE / 1000
        while not condition():
            assert time.monotonic() < deadline, f"never happened: {what}"
            time.sleep(0.05)

    def visit(self, page, name="", **link):
        query = "&".join(
            f"{key}={value}" for key, value in {"session": self.review, **link}.items()
        )
        page.goto(f"{self.server.url}/Bias_Review?{query}")
        settle(page)
        if name:
            self.join(page, name)

    def join(self, page, name):
        """Say who one is."""
        known = name in self.session.reviewers
        page.get_by_role("combobox", name=re.compile("Who are you")).click()
        choice = name if known else "New reviewer"
        page.get_by_role("option").filter(has_text=choice).first.click()
        settle(page)
        if not known:
            field = page.locator(".st-key-review_name input")
            field.fill(name)
            field.press("Enter")
            settle(page)
        page.locator(".st-key-review_join button").click()
        page.get_by_text(f"You are {name}").wait_for()
        settle(page)


def type_observation(page, text):
    """Type without leaving the field."""
    area = page.locator(TEXT)
    area.click()
    area.press_sequentially(text, delay=5)


def draw_box(page, left, top, right, bottom):
    """Shares of the picture."""
    board = page.locator(BOARD)
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    at = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])  # noqa: E731
    page.mouse.move(*at(left, top))
    page.mouse.down()
    page.mouse.move(*at(right, bottom), steps=5)
    page.mouse.up()


def add_tag(page, tag):
    field = page.locator("[class*=st-key-look_tags] input")
    field.click()
    field.press_sequentially(tag, delay=5)
    page.keyboard.press("Enter")


def finish_looking(page):
    page.locator("[class*=st-key-look_names] button").first.click()
    page.locator("[class*=st-key-look_reveal] button").click()
    page.get_by_text("seed 0").first.wait_for()
    settle(page)


def test_nothing_typed_is_lost_wherever_one_goes(site, page):
    site.visit(page, "Ada")
    version, order = site.session.version, site.round.order_for("Ada")
    first = order[0].id
    trouble = []
    page.on("pageerror", lambda error: trouble.append(str(error)))

    type_observation(page, "pale patch jk?")  # letters are no shortcuts in a field
    page.get_by_test_id("stSidebarNav").get_by_text("Library").click()
    page.wait_for_url("**/Library**")
    settle(page)
    page.go_back()
    page.locator(TEXT).wait_for()
    settle(page)
    assert page.locator(TEXT).input_value() == "pale patch jk?"

    type_observation(page, " reload")
    page.reload()
    page.locator(TEXT).wait_for()
    settle(page)
    assert page.get_by_text("You are Ada").count() == 1, "this browser knows the name"
    assert page.locator(TEXT).input_value() == "pale patch jk? reload"

    site.server.kill()
    type_observation(page, " offline")
    page.wait_for_timeout(1000)  # longer than the pause after which it would be sent
    site.server.start()
    page.reload()
    page.locator(TEXT).wait_for()
    settle(page)
    assert page.locator(TEXT).input_value() == "pale patch jk? reload offline"
    draw_box(page, 0.25, 0.2, 0.75, 0.6)
    settle(page)
    add_tag(page, "pale face")
    settle(page)
    assert site.session.version == version, "no event while one writes"

    page.locator(TEXT).press("End")
    type_observation(page, " last second")
    page.locator(".st-key-look_next button").click()
    page.get_by_text("Picture 2 of 6").wait_for()
    settle(page)
    said = site.said("Ada")[first]
    assert (said.text, said.tags) == ("pale patch jk? reload offline last second", ("pale face",))
    (box,) = said.regions
    found = (box.left, box.top, box.right, box.bottom)
    assert found == pytest.approx((0.25, 0.2, 0.75, 0.6), abs=0.02)
    assert site.session.version == version + 1, "one picture, one event"
    page.locator("body").press("k")  # outside fields, letters are shortcuts
    page.get_by_text("Picture 1 of 6").wait_for()
    settle(page)
    assert page.locator(TEXT).input_value() == said.text
    page.locator(TEXT).fill("")
    page.locator(TEXT).blur()
    page.locator("body").press("j")
    page.get_by_text("Picture 2 of 6").wait_for()
    site.until(lambda: site.said("Ada")[first].text == "", "emptied by hand, so it is empty")
    assert not trouble


def test_two_look_at_once_each_alone_then_both_see_both(site, page, browser):
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(PATIENCE)
    pages = {"Ada": page, "Ben": context.new_page()}
    for name, one in pages.items():
        site.visit(one, name)
    for name, one in pages.items():
        type_observation(one, f"{name} was here")
        draw_box(one, 0.2, 0.2, 0.6, 0.6)
    for one in pages.values():
        settle(one)
        add_tag(one, "face")
        settle(one)
        one.locator(".st-key-look_next button").click()
        one.get_by_text("Picture 2 of 6").wait_for()
        settle(one)
        one.locator(".st-key-look_back button").click()
        one.get_by_text("Picture 1 of 6").wait_for()
    for name, one in pages.items():
        settle(one)
        other = {"Ada": "Ben", "Ben": "Ada"}[name]
        assert one.locator(TEXT).input_value() == f"{name} was here"
        assert f"{other} was here" not in one.content()
        assert "academic gown · seed" not in one.content()
    for item in site.round.items:  # the same word on every picture, so that agreement is whole
        for name in pages:
            said = site.said(name).get(item.id) or ev.Observed(round=site.round.id, item=item.id)
            values = {"round": said.round, "item": said.item, "text": said.text}
            tags = ("face",) if item.role == "target" else ("hat",)
            site.library.reviews.append(
                site.review, name, ev.Observed(**values, tags=tags, regions=said.regions)
            )
    finish_looking(pages["Ada"])
    assert "Ben was here" not in pages["Ada"].content()
    finish_looking(pages["Ben"])
    pages["Ada"].get_by_role("button", name="Show the changes").click()
    for one in pages.values():
        one.get_by_text("Ben was here").first.wait_for()
        one.get_by_text("Ada was here").first.wait_for()
        for name, value in (("Shared tags", "100%"), ("Cohen's kappa", "1.00")):
            figure = one.get_by_test_id("stMetric").filter(has_text=name)
            figure.get_by_text(value, exact=True).wait_for()
    assert set(site.round.revealed) == {"Ada", "Ben"}
    context.close()


def test_hostile_texts_are_shown_and_do_nothing(site, page):
    append = site.library.reviews.append
    item = site.round.items[0]
    bad = "<b>Eve</b> $x$"
    append(
        site.review, bad,
        ev.Renamed(title=HOSTILE[:200]),
        ev.Observed(round=site.round.id, item=item.id, text=HOSTILE, tags=("<script>", "$x$")),
        ev.Revealed(round=site.round.id),
        ev.Claimed(
            claim=CLAIM, base=0, statement=HOSTILE, cohort_a=HOSTILE, cohort_b=HOSTILE,
            why=HOSTILE, plan=TestPlan(target=0),
        ),
        ev.Noted(text=HOSTILE),
    )  # fmt: skip
    append(site.review, "Ada", ev.Revealed(round=site.round.id))
    trouble = []
    page.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda line: is_trouble(line) and trouble.append((line.text, line.location)))
    page.on("request", lambda asked: "127.0.0.1:9" in asked.url and trouble.append(asked.url))
    site.visit(page, "Ada", step="Look")
    for step, shown in (("Look", True), ("Claims", True), ("Tests", True), ("Log", False)):
        page.get_by_role("radio", name=step).click()
        settle(page)
        if shown:
            text = page.get_by_test_id("stMain").inner_text().replace(JOINER, "")
            assert HOSTILE in text, f"{step}: {text[:3000]}"
        assert page.evaluate("window.hurt") is None, step
        links = page.eval_on_selector_all("a", "all => all.map(one => one.href)")
        assert not [link for link in links if link.startswith("javascript:")]
    assert not trouble


def is_trouble(line):
    """A deep link makes Streamlit look for its own files beside the page first, in vain."""
    return line.type == "error" and "/Bias_Review/_stcore/" not in line.location["url"]
