"""A small real checkpoint to drive the pages with, and clean shared objects."""

import shutil

import pytest
import streamlit as st
import torch
import torchvision

from pages.components.common import resources
from protocore.models.spec import ModelSpec
from tests.pages import review_site

CLASSES = ("ant", "bee", "cat", "dog")


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory):
    """SqueezeNet with four classes at 64 pixels, random weights: about 10 ms per step."""
    folder = tmp_path_factory.mktemp("checkpoint")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.squeezenet1_1(num_classes=len(CLASSES))
    weights = folder / "small.pth"
    torch.save(network.state_dict(), weights)
    names = folder / "names.txt"
    names.write_text("\n".join(CLASSES), encoding="utf-8")
    return ModelSpec.checkpoint(
        "squeezenet1_1", weights, class_names=names, input_size=64, device="cpu"
    )


@pytest.fixture
def clean_app(own_home):
    """Shared objects made anew; jobs stopped at the end."""
    st.cache_resource.clear()
    yield
    resources.engine().close()
    st.cache_resource.clear()


@pytest.fixture(scope="session")
def prepared_review(tmp_path_factory):
    """Folder of a library with a review session, and the session's identifier."""
    folder = tmp_path_factory.mktemp("prepared") / "home"
    return folder, review_site.prepare(folder)


@pytest.fixture
def site(prepared_review, own_home, clean_app):
    """The Bias Review page on a copy of the prepared library."""
    folder, review = prepared_review
    shutil.copytree(folder, own_home)
    return review_site.Site(review)
