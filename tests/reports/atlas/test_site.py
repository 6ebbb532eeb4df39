"""The site of an atlas: whole, closed, linked, and the same as JSON."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from protocore.errors import ReportError
from protocore.reports.atlas.content import (
    atlas_content,
    closeness,
    map_places,
    response_correlations,
)
from protocore.reports.atlas.difference import atlas_pairs, write_difference
from protocore.reports.atlas.site import write_site
from tests.reports.atlas.makers import NAMES, atlas_in


class Links(HTMLParser):
    """What a page refers to, its elements, and names of attributes."""

    def __init__(self, text):
        super().__init__()
        self.links, self.elements, self.attributes = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name in ("src", "href")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    atlas = atlas_in(tmp_path_factory.mktemp("atlas") / "a", made=(0, 1, 2))
    figures = {atlas.entry(atlas.targets[0]).key: {"path similarity": 0.61}}
    assert write_site(atlas, figures) == atlas.folder / "index.html"
    return atlas


def pages(site):
    return sorted(site.folder.rglob("*.html"))


def test_every_link_of_every_page_leads_to_a_file_of_the_site(site):
    assert len(pages(site)) == 3 + 4
    for page in pages(site):
        for link in Links(page.read_text(encoding="utf-8")).links:
            if link.startswith(("data:image/", "#")):
                continue
            path = (page.parent / link.split("?")[0]).resolve()
            assert path.is_file(), (page, link)
            assert site.folder.resolve() in path.parents


def test_names_are_texts_on_every_page_and_in_the_script(site):
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        assert "<script>window" not in text and "\u202e" not in text
        assert not {name for name in Links(text).attributes if name.startswith("on")}
    script = (site.folder / "site" / "data.js").read_text()
    assert "<" not in script and "\u202e" not in script
    data = json.loads(script.removeprefix("const ATLAS = ").rstrip().removesuffix(";"))
    assert data["classes"][2]["name"] == NAMES[2]
    assert len(data["classes"][0]["prototypes"]) == 2


def test_a_class_page_and_the_same_as_json(site):
    page = (site.folder / "class" / "00000.html").read_text(encoding="utf-8")
    content = json.loads((site.folder / "class" / "00000.json").read_text(encoding="utf-8"))
    assert (content["class_index"], content["class_name"]) == (0, "tench")
    assert content["weights_sha256"] == "cd" * 32
    first, second = content["prototypes"]
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["measures"] == {"path similarity": 0.61}
    assert content["nearest"][0]["index"] == 1
    for fact in ("cd" * 32, first["pixels"], first["picture"], "0.61", "elsewhere", "seed 1"):
        assert fact in page, fact
    assert 'href="00001.html"' in page
    assert "compare.html?a=0&amp;b=1" in page


def test_what_is_not_made_yet_is_said(site):
    assert "not made yet" in (site.folder / "class" / "00003.html").read_text()
    content = json.loads((site.folder / "class" / "00003.json").read_text())
    assert [set(one) for one in content["prototypes"]] == [{"seed", "picture"}] * 2
    assert (site.folder / "index.html").read_text().count("not made yet") == 1


def test_images_are_lazy_and_have_texts_and_sizes(site):
    index = (site.folder / "index.html").read_text()
    images = re.findall(r"<img [^>]*>", index)
    assert len(images) == 3
    for image in images:
        assert 'loading="lazy"' in image and "alt=" in image and "width=" in image


def test_the_same_atlas_gives_the_same_site(tmp_path):
    sites = []
    for name in "ab":
        atlas = atlas_in(tmp_path / name)
        write_site(atlas)
        files = sorted(path for path in atlas.folder.rglob("*") if path.is_file())
        sites.append({path.relative_to(atlas.folder): path.read_bytes() for path in files})
    assert sites[0] == sites[1]


def test_a_site_that_cannot_be_written(tmp_path):
    atlas = atlas_in(tmp_path / "a")
    (atlas.folder / "class").write_text("a file")
    with pytest.raises(ReportError, match="could not be written"):
        write_site(atlas)


def test_neighbours_respond_alike(tmp_path):
    classes = atlas_content(atlas_in(tmp_path / "a"))
    assert [one.neighbours[0].index for one in classes] == [1, 0, 3, 2]
    assert classes[0].neighbours[0].head is None
    assert classes[0].neighbours[0].response == pytest.approx(
        np.corrcoef([9, 8, 0, 0], [8, 9, 0, 0])[0, 1], abs=1e-3
    )


def test_responses_of_what_is_not_made_are_unknown():
    found = response_correlations([[], []])
    assert np.isnan(found).all()
    np.testing.assert_array_equal(closeness(None, found), np.zeros((2, 2)))
    both = closeness(np.array([[1.0, 0.5], [0.5, 1.0]]), np.array([[1.0, np.nan], [np.nan, 1.0]]))
    np.testing.assert_allclose(both, [[1, 0.5], [0.5, 1]])


def test_the_map_keeps_distances_that_fit_a_plane():
    corners = np.array([[0, 0], [4, 0], [4, 3], [0, 3]]) / 5
    distances = np.linalg.norm(corners[:, None] - corners[None], axis=-1)
    places = map_places(1 - distances)
    spread = places * [0.8, 0.6]  # each axis was stretched to 0..1
    found = np.linalg.norm(spread[:, None] - spread[None], axis=-1)
    np.testing.assert_allclose(found, distances, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_map_of_few_classes(count):
    places = map_places(np.eye(count))
    assert places.shape == (count, 2)
    assert np.isfinite(places).all() and (places >= 0).all() and (places <= 1).all()


# --- two atlases ---


def test_the_most_different_class_comes_first(tmp_path):
    a = atlas_in(tmp_path / "a", names=("tench", "horn"), made=(0, 1), seeds=(0,), level=50)
    b = atlas_in(tmp_path / "b", names=("horn", "tench"), made=(0, 1), seeds=(3,), level=50)
    a.path(a.targets[1], ".webp").write_bytes(
        atlas_in(tmp_path / "c", seeds=(0,), level=150).path(a.targets[1], ".webp").read_bytes()
    )
    pairs = atlas_pairs(a, b)
    assert [(pair.name, pair.index_a, pair.index_b) for pair in pairs] == [
        ("horn", 1, 0), ("tench", 0, 1),
    ]  # fmt: skip
    assert pairs[0].difference == pytest.approx(100 / 255, abs=0.01)
    assert pairs[1].difference == pytest.approx(0, abs=0.01)
    assert (pairs[0].seed_a, pairs[0].seed_b) == (0, 3)
    page = write_difference(a, b, tmp_path / "out").read_text()
    assert page.index("1 · horn") < page.index("0 · tench")


def test_atlases_that_cannot_be_compared(tmp_path):
    a = atlas_in(tmp_path / "a")
    b = atlas_in(tmp_path / "b", names=("other", "names"), made=(0, 1))
    with pytest.raises(ReportError, match="no class in common"):
        atlas_pairs(a, b)
    with pytest.raises(ReportError, match="one of the two"):
        write_difference(a, a, a.folder)
