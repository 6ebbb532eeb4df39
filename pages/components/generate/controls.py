"""The sidebar of the Generate page: what to make, how, and the start button."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.components.common.errors import errors_shown
from pages.components.common.links import linked_spec
from pages.components.common.resources import engine, library, load_model, pool
from pages.components.generate import showing
from pages.components.generate.showing import linked_settings
from pages.components.pickers.classes import make_targets, pick_classes, pick_seeds, set_classes
from pages.components.pickers.model import choose_model, pick_model
from pages.components.pickers.settings import apply_settings, settings_controls
from protocore.errors import ProtocoreError, SettingsError
from protocore.generation.settings import GenerationSettings, Target
from protocore.jobs.generation import GenerationRequest, find_made, submit_generation
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec

if TYPE_CHECKING:  # loaded on demand: the first start is two seconds faster
    from protocore.jobs.live_similarity import LiveSimilarityRequest


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the controls say, once a model and classes are chosen."""

    spec: ModelSpec
    classifier: Classifier
    targets: tuple[Target, ...]
    settings: GenerationSettings
    preset: str
    similarity: LiveSimilarityRequest | None  # measured while it runs


def setup_controls(what: tuple[str, str] | None) -> tuple[Wish | None, bool]:
    """Model, classes, seeds, settings and the start button.

    `what` is shown beside them (see showing): a run just opened is put into the controls.
    Returns what is wanted, None while something is missing, and whether it was asked for now.
    """
    link = _apply_link()
    if what and what[0] == "run" and st.session_state.get("opened") != what[1]:
        st.session_state["opened"] = what[1]
        with suppress(ProtocoreError):  # a model or run that is gone is explained beside
            _apply_run(what[1])
    spec = pick_model(pool())
    if spec is None:
        return None, False
    classifier = load_model(spec)
    with errors_shown():
        if settings := linked_settings(link, classifier.source):
            apply_settings(settings)
            st.session_state["settings_source"] = classifier.source
    classes = pick_classes(classifier)
    seeds = pick_seeds()
    settings, preset = settings_controls(classifier.source)
    similarity = _similarity_controls(classifier.source)
    showing.write_link(classes, seeds, settings)
    targets, clicked = _start_bar(classes, seeds)
    if not targets:
        return None, False
    wish = Wish(
        spec=spec,
        classifier=classifier,
        targets=targets,
        settings=settings,
        preset=preset,
        similarity=similarity,
    )
    return wish, clicked


def _start_bar(classes: list[int], seeds: str) -> tuple[tuple[Target, ...], bool]:
    """The button at the foot of the sidebar, always in sight, with what stands in its way."""
    targets: tuple[Target, ...] = ()
    with st.container(key="start_bar"):
        if classes:
            with errors_shown():
                targets = make_targets(classes, seeds)
        clicked = st.button(
            "Generate",
            key="generate",
            type="primary",
            icon=":material/play_arrow:",
            disabled=not targets,
            width="stretch",
        )
    return targets, clicked


def _similarity_controls(source: str) -> LiveSimilarityRequest | None:
    """Whether path similarity is measured while the prototype evolves, and against what."""
    with st.expander("Live path similarity", icon=":material/show_chart:"):
        wanted = st.toggle(
            "Measure while it runs",
            key="live_similarity",
            help="How much the layers respond as they do to natural images. The first time for a "
            "class the natural images are measured, which can take minutes.",
            persist_state="session",
        )
        every = st.number_input(
            "Interval (steps)", 1, 1000, 16, key="similarity_every", persist_state="session"
        )
        folder = "" if source == "demo" else _folder_control()
    if not wanted or (source != "demo" and not folder):
        return None
    from protocore.jobs.live_similarity import LiveSimilarityRequest

    return LiveSimilarityRequest(every=int(every), folder=folder)


def _folder_control() -> str:
    return st.text_input(
        "Folder with one subfolder of images per class",
        key="similarity_folder",
        placeholder="/data/imagenette/val",
        help="Subfolders are matched by class name, index or WordNet id.",
        persist_state="session",
    ).strip()


def start(wish: Wish, *, again: bool = False) -> None:
    """Show what the library has of the wish, and make what is missing (`again`: everything)."""
    made = {} if again else find_made(library(), wish.classifier, wish.targets, wish.settings)
    missing = tuple(target for target in wish.targets if target not in made)
    if not missing:
        showing.show("prototypes", ",".join(made[target] for target in wish.targets))
        return
    request = GenerationRequest(
        spec=wish.spec,
        targets=missing,
        settings=wish.settings,
        preset=wish.preset,
        similarity=wish.similarity,
        title=run_title(wish.classifier, missing),
    )
    job_id = submit_generation(engine(), library(), pool(), request)
    st.session_state["kept_beside"] = (job_id, wish.targets, made)
    showing.show("job", job_id)


def run_title(classifier: Classifier, targets: tuple[Target, ...]) -> str:
    """Such as "golf ball, French horn · 2 seeds · mobilenet_v2"."""
    names = list(dict.fromkeys(classifier.class_names[t.class_index] for t in targets))
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    seeds = len({target.seed for target in targets})
    middle = f" · {seeds} seeds" if seeds > 1 else ""
    return f"{shown}{middle} · {classifier.name}"


def _apply_link() -> Mapping[str, str]:
    """Take classes and seeds from the link that opened the session; returns all it says."""
    link = showing.read_link()
    if "classes" in link:
        parts = [part for part in link["classes"].split(",") if part.strip().isdecimal()]
        set_classes([int(part) for part in parts])
    if "seeds" in link:
        st.session_state["seeds"] = link["seeds"]
    return link


def _apply_run(run_id: str) -> None:
    """Put model, classes, seeds and settings of a kept run into the controls."""
    run = library().run(run_id)
    records = [library().load_prototype(i).record for i in run.prototypes]
    choose_model(linked_spec(run.model_link))
    set_classes(list(dict.fromkeys(r.class_index for r in records)))
    st.session_state["seeds"] = ", ".join(dict.fromkeys(str(r.seed) for r in records))
    apply_settings(records[0].settings)
    st.session_state["settings_source"] = records[0].source


def continue_run(run_id: str, more: int) -> None:
    """Go on with a kept run for `more` steps, as a new job; raises LibraryError, SettingsError."""
    if more < 1:
        raise SettingsError(f"continue for at least 1 step, got {more}")
    run = library().run(run_id)
    records = [library().load_prototype(i).record for i in run.prototypes]
    request = GenerationRequest(
        spec=linked_spec(run.model_link),
        targets=tuple(record.target for record in records),
        settings=records[0].settings,
        preset="",
        title=run.title,
        continue_run=run_id,
        more_steps=more,
    )
    showing.show("job", submit_generation(engine(), library(), pool(), request))
