"""Finding what was made: filters, order, pages, keys."""

import shutil

import pytest

from protocore.errors import LibraryError
from protocore.library.library import Filter
from tests.library.samples import key, tiny_prototype, tiny_run


def ids(infos):
    return [info.id for info in infos]


# --- finding ---


@pytest.fixture
def filled(library):
    """Three runs of two models: tench and golf ball; horn; golf ball again."""
    library.save_run(tiny_run(tiny_prototype(0), tiny_prototype(1, probability=0.2)))
    library.save_run(tiny_run(tiny_prototype(2, probability=0.5), title="brass"))
    library.save_run(tiny_run(tiny_prototype(1, model="other", probability=0.7)))
    return library


def titles(library, *, sort="oldest", **wanted):
    return [f"{i.model} {i.class_name}" for i in library.prototypes(Filter(**wanted), sort=sort)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["tiny tench", "tiny golf ball", "tiny French horn", "other golf ball"]),
        ({"model": "other · TEST_V1"}, ["other golf ball"]),
        ({"class_label": "1 · golf ball"}, ["tiny golf ball", "other golf ball"]),
        ({"class_label": "1 · golf ball", "model": "tiny · TEST_V1"}, ["tiny golf ball"]),
        ({"text": "GOLF"}, ["tiny golf ball", "other golf ball"]),
        ({"text": "golf other"}, ["other golf ball"]),
        ({"text": "brass"}, ["tiny French horn"]),
        ({"text": "paper tench"}, ["tiny tench"]),
        ({"text": "%"}, []),
        ({"text": "_"}, ["tiny tench", "tiny golf ball", "tiny French horn", "other golf ball"]),
        ({"tag": "nothing"}, []),
        ({"deleted": True}, []),
    ],
)
def test_filters(filled, wanted, expected):
    assert titles(filled, **wanted) == expected
    assert filled.count(Filter(**wanted)) == len(expected)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("newest", ["other golf ball", "tiny French horn", "tiny tench", "tiny golf ball"]),
        ("class", ["tiny tench", "other golf ball", "tiny golf ball", "tiny French horn"]),
        ("probability", ["tiny tench", "other golf ball", "tiny French horn", "tiny golf ball"]),
        ("title", ["tiny French horn", "golf ball", "golf ball", "tiny tench"]),
    ],
)
def test_orders(filled, sort, expected):
    found = titles(filled, sort=sort)
    if sort == "title":  # two have the same title, their order is not promised
        found[1:3] = [title.split(" ", 1)[1] for title in found[1:3]]
    assert found == expected


def test_sorting_by_similarity_puts_unmeasured_ones_last(filled):
    newest = filled.prototypes(sort="newest")
    filled.set_naturalness(newest[2].id, {"similarity": 0.5, "layers": "all"})
    filled.set_naturalness(newest[3].id, {"similarity": 0.7})
    found = filled.prototypes(sort="similarity")
    assert [info.similarity for info in found] == [0.7, 0.5, None, None]
    assert found[1].naturalness == {"similarity": 0.5, "layers": "all"}


def test_an_unknown_order_is_refused(library):
    with pytest.raises(LibraryError) as caught:
        library.prototypes(sort="beauty")
    assert str(caught.value) == (
        "sort must be one of newest, oldest, class, title, probability, similarity, got 'beauty'"
    )


def test_pages_do_not_overlap(filled):
    everything = ids(filled.prototypes())
    pages = [ids(filled.prototypes(limit=3, offset=offset)) for offset in (0, 3)]
    assert [len(page) for page in pages] == [3, 1]
    assert pages[0] + pages[1] == everything


def test_facets(filled):
    horn = filled.prototypes(Filter(text="horn"))[0]
    filled.set_tags(horn.id, ["music", "brass"])
    facets = filled.facets()
    assert facets.models == {"other · TEST_V1": 1, "tiny · TEST_V1": 3}
    assert facets.classes == {"0 · tench": 1, "1 · golf ball": 2, "2 · French horn": 1}
    assert list(facets.classes) == ["0 · tench", "1 · golf ball", "2 · French horn"]
    assert facets.tags == {"brass": 1, "music": 1}
    filled.delete([horn.id])
    assert filled.facets().tags == {}
    assert filled.facets(deleted=True).classes == {"2 · French horn": 1}


def test_runs_newest_first(filled):
    runs = filled.runs()
    assert [run.model for run in runs] == ["other", "tiny", "tiny"]
    assert [len(run.prototypes) for run in runs] == [1, 1, 2]
    assert filled.runs(limit=1, offset=1) == (runs[1],)
    filled.delete(runs[1].prototypes)
    assert [run.id for run in filled.runs()] == [runs[0].id, runs[2].id]


def test_find_gives_only_what_would_be_made_again(library):
    whole = tiny_prototype(0)
    library.save_run(tiny_run(whole, tiny_prototype(1, tuned=True)))
    library.save_run(tiny_run(tiny_prototype(2, completed=False)))
    found = library.find([key(0), key(1), key(2), "unknown"])
    assert list(found) == [key(0)]
    assert library.load_prototype(found[key(0)]).record == whole.record
    library.delete(found.values())
    assert library.find([key(0)]) == {}


def test_find_prefers_the_newest_whose_files_are_there(library):
    library.save_run(tiny_run(tiny_prototype(0)))
    newer = library.save_run(tiny_run(tiny_prototype(0)))
    assert library.prototype(library.find([key(0)])[key(0)]).run_id == newer
    shutil.rmtree(library.runs_folder / newer)
    assert library.prototype(library.find([key(0)])[key(0)]).run_id != newer


def test_find_with_thousands_of_keys(library):
    library.save_run(tiny_run(tiny_prototype(1)))
    assert list(library.find([key(i) for i in range(3000)])) == [key(1)]
