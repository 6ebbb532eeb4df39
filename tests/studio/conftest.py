import pytest

from protocore.studio.library import Library


@pytest.fixture
def library(tmp_path):
    library = Library(tmp_path / "home")
    yield library
    library.close()
