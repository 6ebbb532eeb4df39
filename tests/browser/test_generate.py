"""The main job in a real browser: choose, start, watch, tune, stop, find again."""

import re

import pytest

from protocore.demo.network import CLASS_NAMES
from protocore.generation.presets import default_preset
from protocore.library.library import Library
from tests.browser.conftest import settle

pytestmark = pytest.mark.browser

LIVE_IMAGE = "figure img"  # in the shadow of the grid, which Playwright looks into


def choose_class(page, name: str) -> None:
    """Type into the class search box and take the first suggestion."""
    box = page.get_by_role("combobox", name=re.compile("Classes"))
    box.click()
    box.press_sequentially(name, delay=20)
    page.get_by_role("option").filter(has_text=name).first.click()
    page.keyboard.press("Escape")
    settle(page)


def distinct_images(page, count: int) -> set[str]:
    """Collect sources of the first live image until `count` different ones were seen."""
    seen: set[str] = set()
    for _ in range(600):
        images = page.locator(LIVE_IMAGE)
        source = images.first.get_attribute("src") if images.count() else ""
        if source:
            seen.add(source)
        if len(seen) >= count:
            break
        page.wait_for_timeout(100)
    return seen


def test_a_prototype_evolves_is_tuned_stopped_and_found_again(server, page):
    name = CLASS_NAMES[4]
    page.goto(f"{server.url}/Generate")
    settle(page)
    page.get_by_role("button", name=re.compile("Clear")).first.click()  # the class chosen at first
    settle(page)
    choose_class(page, name)
    page.get_by_role("spinbutton", name=re.compile("Steps")).fill("4000")
    page.keyboard.press("Enter")
    settle(page)
    page.get_by_role("button", name="Generate", exact=False).first.click()
    page.get_by_role("button", name="Stop and save").wait_for()

    frames = distinct_images(page, 4)
    assert len(frames) >= 4, "the live image changed fewer than three times"
    assert all(frame.startswith("data:image/jpeg;base64,") for frame in frames)

    page.get_by_role("slider", name=re.compile("Rotation")).focus()
    page.keyboard.press("ArrowRight")
    settle_on = page.get_by_text(f"±{default_preset('demo').settings.rotation + 1:g}°")
    settle_on.first.wait_for()
    distinct_images(page, 3)  # the change holds from the next step on

    page.reload()  # the run goes on and is found again by its link
    page.get_by_role("button", name="Stop and save").wait_for()
    distinct_images(page, 2)
    page.get_by_role("button", name="Stop and save").click()
    page.get_by_text("Saved to library").wait_for()
    settle(page)

    (info,) = Library(server.home).prototypes()
    record = Library(server.home).load_prototype(info.id).record
    assert record.class_name == name and not record.completed and record.steps < 4000
    before = default_preset("demo").settings.rotation
    assert [change.settings.rotation for change in record.history] == [before, before + 1]
    assert 0 < record.history[1].step <= record.steps

    page.goto(f"{server.url}/Library")
    settle(page)
    page.get_by_text(name, exact=False).first.wait_for()
    page.reload()
    settle(page)
    page.locator(f".st-key-open_{info.id} button").click()
    page.get_by_text("Saved to library").wait_for()
    settle(page)
    shown = page.locator(LIVE_IMAGE).first
    box = shown.bounding_box()
    assert box["width"] >= 2 * shown.evaluate("image => image.naturalWidth")


def test_two_clicks_lead_from_the_home_page_to_a_moving_prototype(server, page):
    page.goto(server.url)
    settle(page)
    page.get_by_role("link", name="Generate").first.click()
    page.locator(".st-key-generate button:enabled").click()
    assert len(distinct_images(page, 3)) >= 3
    page.get_by_text("Saved to library").wait_for()


def test_a_server_that_is_restarted_is_found_again_and_the_page_says_so(server, page):
    page.goto(f"{server.url}/Generate?classes=0&preset=demo&steps=5000")
    settle(page)
    page.locator(".st-key-generate button").click()
    page.locator(LIVE_IMAGE).first.wait_for()
    server.kill()
    banner = page.get_by_role("status").filter(has_text="reconnecting")
    banner.wait_for()
    server.start()
    banner.wait_for(state="hidden")
    settle(page)
    told = page.get_by_text(re.compile("no longer on this server|resumed from step|Waiting"))
    told.first.wait_for()
    assert page.locator("h1").count() == 1
