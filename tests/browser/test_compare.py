"""Compare in a real browser: suggestion, pair, one zoom for all, a covered region."""

import re

import pytest

from protocore.demo.network import CLASS_NAMES
from protocore.library.library import Library
from tests.browser.conftest import settle

pytestmark = pytest.mark.browser

VIEWER = ".st-key-compare_viewer"
EDITOR = ".st-key-compare_editor"
# A fingerprint of what a canvas shows; "" while it shows nothing.
PIXELS = """canvas => {
  const small = document.createElement('canvas');
  small.width = small.height = 16;
  const context = small.getContext('2d');
  context.drawImage(canvas, 0, 0, 16, 16);
  const data = context.getImageData(0, 0, 16, 16).data;
  return data.some(value => value) ? Array.from(data).join() : '';
}"""


def choose(page, label: str, name: str) -> None:
    """Type into a search box and take the first option."""
    box = page.get_by_role("combobox", name=re.compile(label))
    box.click()
    box.press_sequentially(name, delay=20)
    page.get_by_role("option").filter(has_text=name).first.click()
    settle(page)


def canvases(page, where: str) -> list:
    found = page.locator(f"{where} canvas")
    return [found.nth(place) for place in range(found.count())]


def pixels(canvas) -> str:
    return canvas.evaluate(PIXELS)


def until(page, condition, what: str) -> None:
    for _ in range(300):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never happened: {what}")


def zoomed(page) -> set[str]:
    return {canvas.get_attribute("data-scale") for canvas in canvases(page, VIEWER)}


def test_two_classes_are_compared_zoomed_together_and_edited(server, page):
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server.url}/Compare")
    settle(page)
    choose(page, "Anchor class", CLASS_NAMES[0])
    page.get_by_text("No strong relation to another class was found").wait_for()
    choose(page, "Compare with", CLASS_NAMES[2])
    page.keyboard.press("Escape")
    settle(page)
    seeds = page.get_by_role("textbox", name=re.compile("Seeds"))
    seeds.fill("0")
    seeds.press("Enter")
    page.get_by_role("spinbutton", name=re.compile("Steps")).fill("12")
    page.keyboard.press("Enter")
    settle(page)
    page.locator(".st-key-compare button").click()
    page.get_by_text("Fair: for each seed the same start image").wait_for()
    settle(page)
    infos = Library(server.home).prototypes(sort="oldest")
    assert len(infos) == 2 and {info.seed for info in infos} == {0}
    assert infos[0].class_name == CLASS_NAMES[0]

    first, second = canvases(page, VIEWER)
    until(page, lambda: pixels(first) and pixels(second), "both images are drawn")
    whole = pixels(first), pixels(second)
    assert zoomed(page) == {"1.000"} and whole[0] != whole[1]
    first.hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    until(page, lambda: zoomed(page) == {"1.250"}, "the other image follows the zoom")
    assert pixels(second) != whole[1]
    near = pixels(second)
    page.locator(f"{VIEWER} .viewer").focus()
    page.keyboard.press("ArrowRight")
    assert pixels(second) != near, "the other image follows the pan"
    page.keyboard.press("0")
    assert (pixels(first), pixels(second)) == whole

    page.keyboard.press("b")
    shown = page.locator(f"{VIEWER} canvas[data-shown]")
    seen = set()
    until(page, lambda: seen.add(shown.get_attribute("data-shown")) or len(seen) == 2, "blinking")
    page.get_by_role("button", name="Difference").click()
    difference = page.locator(f"{VIEWER} canvas[data-item=difference]")
    until(page, lambda: pixels(difference), "the difference is drawn")
    assert re.search(r"[1-9][0-9]* of 255", page.locator(f"{VIEWER} .scale").inner_text())
    until(page, lambda: "view=difference" in page.url, "the address names mode and pair")
    assert pixels(difference) not in whole
    page.keyboard.press("Escape")
    canvases(page, VIEWER)[0].click()
    until(page, lambda: len(canvases(page, VIEWER)) == 1, "a click enlarges")
    page.locator(f"{VIEWER} canvas").click()
    until(page, lambda: len(canvases(page, VIEWER)) == 2, "a click shows all again")

    page.get_by_role("radio", name="Edit & re-score").click()
    settle(page)
    metrics = page.get_by_test_id("stMetricValue")
    until(page, lambda: metrics.count() == 2, "two logits")
    before = metrics.all_inner_texts()
    board = page.locator(f"{EDITOR} canvas[data-item=before]")
    edited = page.locator(f"{EDITOR} canvas[data-item=after]")
    until(page, lambda: pixels(edited), "the edited image is drawn")
    untouched = pixels(edited)
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.8 * box["height"], steps=6)
    page.mouse.up()
    until(page, lambda: metrics.all_inner_texts() != before, "the numbers move")
    page.get_by_text(re.compile("3[567]% of the image is edited")).wait_for()
    until(page, lambda: pixels(edited) != untouched, "the edited image changes")
    page.locator(f"{EDITOR} button").filter(has_text="Clear").click()
    until(page, lambda: metrics.all_inner_texts() == before, "the numbers come back")
    assert not errors
