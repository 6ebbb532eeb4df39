"""What all browser sessions share: one job engine, one library, one pool of models."""

from __future__ import annotations

import os

import streamlit as st
import torch

from protocore.models.classifier import Classifier
from protocore.models.pool import ModelPool
from protocore.models.spec import ModelSpec
from protocore.studio.jobs import JobEngine
from protocore.studio.library import Library


@st.cache_resource(show_spinner=False)
def engine() -> JobEngine:
    """The background jobs of this process."""
    # Threads that spin while they wait for work starve the pages of a small machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if threads := os.environ.get("PROTOCORE_THREADS"):
        torch.set_num_threads(max(1, int(threads)))
    return JobEngine()


@st.cache_resource(show_spinner=False)
def library() -> Library:
    """Everything made so far, in the folder that PROTOCORE_HOME names."""
    return Library.open_default()


@st.cache_resource(show_spinner=False)
def pool() -> ModelPool:
    """Loaded classifiers."""
    return ModelPool()


def load_model(spec: ModelSpec) -> Classifier:
    """The classifier of `spec`, with a spinner the first time."""
    if spec in pool().loaded():
        return pool().get(spec)
    with st.spinner(f"Loading {spec.title} …"):
        return pool().get(spec)
