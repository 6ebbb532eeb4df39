"""What all pages promise: seen whole, by keyboard, on a phone, by screen readers, translated."""

import pytest

from protocore.library.library import Library
from tests.browser.axe import violations
from tests.browser.conftest import Server, settle
from tests.library.samples import tiny_prototype, tiny_run

pytestmark = pytest.mark.browser

IN_SIGHT = """(figures) => figures.every((figure) => {
  const box = figure.getBoundingClientRect()
  return box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth
})"""
TRANSLATE = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const texts = []
  while (walker.nextNode()) if (walker.currentNode.nodeValue.trim()) texts.push(walker.currentNode)
  for (const text of texts) {
    const font = document.createElement("font")
    text.parentNode.insertBefore(font, text)
    font.append(text)
  }
  return texts.length
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory, browser):
    """One server for this module, with runs of 8 and of 36 prototypes; their links."""
    server = Server(tmp_path_factory.mktemp("site") / "home")
    library = Library(server.home)
    runs = {
        count: library.save_run(
            tiny_run(*(tiny_prototype(c, s, size=96) for c in range(classes) for s in range(seeds)))
        )
        for count, classes, seeds in ((8, 4, 2), (36, 12, 3))
    }
    library.close()
    server.start()
    yield {
        "home": server.url,
        "generate": f"{server.url}/Generate?classes=0",
        "library": f"{server.url}/Library",
        **{count: f"{server.url}/Generate?run={run}" for count, run in runs.items()},
    }
    server.stop()


@pytest.fixture
def opened(browser):
    """Opens an address in a window of that size and waits until it is still."""
    contexts = []

    def open_page(url, width=1440, height=900, **about):
        context = browser.new_context(viewport={"width": width, "height": height}, **about)
        contexts.append(context)
        page = context.new_page()
        page.goto(url)
        settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(site, opened, theme):
    for name in ("home", "generate", 8, "library"):
        page = opened(site[name], color_scheme=theme)
        assert violations(page) == "", name
        assert page.locator("h1").count() == 1


def test_the_label_of_a_disabled_button_can_be_read(site, opened):
    page = opened(f"{site['home']}/Path_Similarity", color_scheme="light")
    measure = page.get_by_role("button", name="Measure")
    assert measure.is_disabled()
    colour = measure.locator("p").evaluate("(node) => getComputedStyle(node).color")
    assert max(map(int, colour.removeprefix("rgba(").split(",")[:3])) < 128  # dark on white


def test_a_phone_shows_the_page_and_nothing_beside_it(site, opened):
    for name in ("home", "generate", 8, "library"):
        page = opened(site[name], 390, 844, is_mobile=True, has_touch=True)
        width = "Math.max(...[document.documentElement, document.querySelector("
        width += "'[data-testid=stMain]')].map((node) => node.scrollWidth))"
        assert page.evaluate(width) <= 390, name
        sidebar = page.locator("[data-testid=stSidebar]").bounding_box()
        assert sidebar is None or sidebar["x"] + sidebar["width"] <= 0, name


@pytest.mark.parametrize(
    ("count", "width", "height", "least"), [(8, 1440, 900, 200), (36, 1920, 1080, 112)]
)
def test_all_pictures_of_a_run_are_in_one_view(site, opened, count, width, height, least):
    page = opened(site[count], width, height)
    figures = page.locator("figure")
    page.wait_for_function("(n) => document.querySelectorAll('.st-key-pictures').length", arg=1)
    assert figures.count() == count
    assert figures.evaluate_all(IN_SIGHT)
    assert page.locator("figure img").first.bounding_box()["width"] >= least


def test_a_picture_opens_in_full_size_and_arrows_lead_to_its_neighbours(site, opened):
    page = opened(site[8])
    page.locator("figure button").nth(1).click()
    dialog = page.get_by_role("dialog", name="Prototype in full size")
    assert "tench · seed 1" in dialog.inner_text()
    page.keyboard.press("ArrowRight")
    assert "golf ball · seed 0" in dialog.inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert "tench · seed 0" in dialog.inner_text() and "0.90" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_a_stretched_picture_is_marked_and_the_choice_stays_in_this_browser(site, opened):
    page = opened(site[8])
    page.get_by_role("button", name="Stretch contrast").click()
    assert page.get_by_text("Display only: contrast stretched").is_visible()
    assert "contrast(" in page.locator("figure img").first.get_attribute("style")
    page.reload()
    settle(page)
    assert page.get_by_text("Display only: contrast stretched").is_visible()
    page.get_by_role("button", name="Whole pixels").click()
    assert page.locator("figure img").first.bounding_box()["width"] % 96 == 0


def test_keys_never_act_inside_a_field_and_are_listed(site, opened):
    page = opened(site["generate"])
    seeds = page.get_by_role("textbox", name="Seeds")
    seeds.click()
    page.keyboard.press("g")
    page.keyboard.press("Control+Backspace")
    page.keyboard.press("?")
    page.wait_for_timeout(500)
    assert not page.get_by_role("dialog").is_visible() and "job=" not in page.url
    page.locator("h1").click()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    listed = page.get_by_role("dialog", name="Keyboard shortcuts").inner_text()
    assert all(text in listed for text in ("Generate", "Pause", "Stop the run"))


def test_generate_stays_in_sight_also_with_custom_weights(site, opened):
    page = opened(site["generate"])
    page.get_by_text("Custom", exact=True).click()
    settle(page)
    assert page.get_by_text("or a path on the server").count()
    page.get_by_text("Demo", exact=True).first.click()
    settle(page)
    box = page.locator(".st-key-generate button").bounding_box()
    assert box["y"] + box["height"] <= 900


def test_a_live_page_survives_a_translator(site, opened):
    page = opened(site["generate"] + "&seeds=5&preset=demo&steps=3000")
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.locator(".st-key-generate button").click()
    page.locator("figure img").first.wait_for()
    assert page.evaluate(TRANSLATE) > 20
    page.wait_for_timeout(1500)
    assert page.evaluate(TRANSLATE) > 20
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("s")
    page.locator(".st-key-continue, [data-testid=stPopover]").first.wait_for()
    assert not errors


def test_enter_takes_the_best_match_alone(site, opened):
    page = opened(site["generate"])
    box = page.get_by_role("combobox", name="Classes")
    box.click()
    box.press_sequentially("o", delay=20)
    page.keyboard.press("Enter")
    settle(page)
    assert page.locator("[data-tag]").count() == 2


def test_the_search_of_the_library_is_in_its_link(site, opened):
    page = opened(f"{site['library']}?library_text=golf")
    assert page.get_by_label("Search").first.input_value() == "golf"
    assert page.get_by_text("tench", exact=False).count() == page.get_by_role("option").count()


@pytest.mark.parametrize(
    ("status", "text"), [(413, "larger than"), (403, "reload"), (0, "cut off")]
)
def test_a_refused_upload_says_what_to_do(site, opened, status, text, tmp_path):
    page = opened(site["generate"])
    page.get_by_text("Custom", exact=True).click()
    settle(page)

    def refuse(route):
        if route.request.method == "PUT":
            route.fulfill(status=status) if status else route.abort()
        else:
            route.continue_()

    page.route("**/_stcore/upload_file/**", refuse)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"x" * 100)
    page.locator("input[type=file]").first.set_input_files(weights)
    alert = page.get_by_role("alert").filter(has_text="path on the server")
    alert.wait_for()
    assert text in alert.inner_text()
