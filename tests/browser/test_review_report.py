"""A report in a real browser: nothing runs, nothing is loaded, nothing is cut off on paper."""

import pytest

from protocore.reports.review.page import report_html
from tests.reports.review.samples import (
    EVIL,
    hostile_material,
    hostile_session,
    large_material,
    large_session,
    usual_material,
    usual_session,
)

pytestmark = pytest.mark.browser

OUTSIDE = """() => [...document.querySelectorAll('body *')].filter(one => {
  const box = one.getBoundingClientRect();
  const inner = one.closest('.scroll, svg, .picture');
  return box.width && !inner && (box.right > innerWidth + 1 || box.left < -1);
}).length"""


@pytest.fixture
def shown(page, tmp_path):
    """Opens a report as a file; what the browser complains about or loads is in the lists."""
    complaints, loaded = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: loaded.append(request.url))

    def show(session, material):
        path = tmp_path / "report.html"
        path.write_text(report_html(session, material), encoding="utf-8")
        page.goto(path.as_uri())
        page.wait_for_load_state("networkidle")
        return page

    yield show
    assert complaints == []
    assert [url for url in loaded if not url.startswith("data:")] == [
        (tmp_path / "report.html").as_uri()
    ]


def test_hostile_texts_are_shown_and_nothing_runs(shown):
    page = shown(hostile_session(), hostile_material())
    text = page.locator("body").inner_text()
    for evil in EVIL[:6]:
        assert evil in text
    page.locator("body").click()
    page.locator(".said").first.hover()
    for link in page.locator("a").all():
        assert link.get_attribute("href").startswith("#")
        link.click()
    assert page.evaluate("window.evil") is None
    assert page.locator("script, iframe, object, embed, form, [onerror], [onload]").count() == 0
    assert page.evaluate(OUTSIDE) == 0


def test_even_a_script_that_got_in_would_not_run(page, tmp_path):
    path = tmp_path / "report.html"
    attack = "<script>window.evil = 1</script><img src=x onerror='window.evil = 2'>"
    text = report_html(usual_session(), usual_material()).replace("</h1>", f"</h1>{attack}")
    assert attack in text
    path.write_text(text, encoding="utf-8")
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.evil") is None


@pytest.mark.parametrize("width", [390, 1440])
def test_pictures_regions_and_charts_are_drawn(shown, width):
    page = shown(usual_session(), usual_material())
    page.set_viewport_size({"width": width, "height": 900})
    images = page.locator("img")
    assert images.count() == 3 + (6 + 6) + (12 + 12) + 4 + 4  # front, claim, appendices
    assert images.evaluate_all("all => all.every(one => one.naturalWidth > 0)")
    picture = page.locator(".picture").first
    frame = picture.bounding_box()
    region = picture.locator("rect.edge").first.bounding_box()
    assert region["x"] - frame["x"] == pytest.approx(0.1 * frame["width"], abs=3)
    assert region["width"] == pytest.approx(0.5 * frame["width"], abs=4)
    assert page.locator(".chart circle.a").count() == 1 + 3 + 2
    assert page.evaluate(OUTSIDE) == 0


def test_it_prints_within_the_paper(shown):
    page = shown(usual_session(), usual_material())
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 1000})  # A4 within its margins at 96 dpi
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    assert page.locator(".scroll").evaluate_all(wide) == 0
    assert page.locator("body").evaluate("one => getComputedStyle(one).color") == "rgb(0, 0, 0)"
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


PAPER = 269 / 25.4 * 96  # A4 within the margins of the report, in CSS pixels


def test_the_front_takes_one_page_and_a_claim_at_most_two(shown):
    page = shown(large_session(), large_material())
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 1000})
    height = "all => all.reduce((sum, one) => sum + one.getBoundingClientRect().height, 0)"
    assert page.locator(".front").evaluate_all(height) < PAPER
    claims = page.locator("section.claim")
    assert claims.count() == 4
    for place in range(4):
        assert claims.nth(place).bounding_box()["height"] < 2 * PAPER
