import pytest

from protocore.studio.library import Library
from tests.review import makers


@pytest.fixture
def library(tmp_path):
    library = Library(tmp_path / "home")
    yield library
    library.close()


@pytest.fixture
def store(library):
    return library.reviews


@pytest.fixture
def review(store):
    """A session of Ada's with one blind round."""
    review_id = store.create("Ada", makers.started())
    store.append(review_id, "Ada", makers.round_opened())
    return review_id


@pytest.fixture
def another(library):
    """The same library as another process has it open."""
    opened = Library(library.folder)
    yield opened.reviews
    opened.close()
