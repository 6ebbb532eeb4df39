"""What all pages share: the cached objects of the process.

The only st.cache_* wrappers of the app are here.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from protocore.demo.world import contact_sheet
from protocore.errors import ProtocoreError
from protocore.files import home_folder
from protocore.jobs.engine import JobEngine
from protocore.jobs.kept import resume_jobs
from protocore.library.library import Library
from protocore.models.classifier import Classifier
from protocore.models.devices import apply_thread_limit
from protocore.models.pool import ModelPool
from protocore.models.spec import ModelSpec

if TYPE_CHECKING:  # loaded on demand: the first start is a second faster
    from protocore.cohorts.result import TestResult


log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def engine() -> JobEngine:
    """The background jobs of all sessions; raises SettingsError for a bad PROTOCORE_THREADS."""
    apply_thread_limit()
    return JobEngine()


@st.cache_resource(show_spinner="Opening the library")
def _library(folder: str, database_url: str | None) -> Library:
    found = Library(folder, database_url)
    try:
        resume_jobs(engine(), found, pool())  # what an earlier process was cut off in
    except ProtocoreError as error:
        log.warning("interrupted jobs cannot go on now: %s", error)
    return found


def library() -> Library:
    """The library that the environment names; raises LibraryError."""
    return _library(str(home_folder()), os.environ.get("PROTOCORE_DATABASE_URL") or None)


@st.cache_resource(show_spinner=False)
def pool() -> ModelPool:
    """The loaded classifiers of all sessions."""
    return ModelPool()


def load_model(spec: ModelSpec) -> Classifier:
    """The classifier of `spec`, with a spinner when it is not in memory yet."""
    if spec in pool().loaded():
        return pool().get(spec)
    with st.spinner(f"Loading {spec.title} …"):
        return pool().get(spec)


@st.cache_data(show_spinner="Drawing the demo world …")
def demo_sheet() -> Image.Image:
    """Some images of every class of the demo world."""
    return contact_sheet()


@st.cache_resource(show_spinner=False, max_entries=200)
def test_result(review_id: str, test_id: str, digest: str) -> TestResult:
    """The result of a test of a review session, read and analysed once; `digest` is its file's."""
    from protocore.cohorts.result import RESULT_FILE, TestResult

    name = f"tests/{test_id}/{RESULT_FILE}"
    return TestResult.from_json(library().reviews.read_file(review_id, name, digest))
