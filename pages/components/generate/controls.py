"""The sidebar of the Generate page: what to make, how, and the start button."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.components.common.links import linked_spec
from pages.components.common.resources import engine, library, load_model, pool
from pages.components.generate import showing
from pages.components.pickers.classes import make_targets, pick_classes, pick_seeds
from pages.components.pickers.model import choose_model, pick_model
from pages.components.pickers.settings import apply_preset, apply_settings, settings_controls
from protocore.errors import ProtocoreError, SettingsError
from protocore.generation.fields import FIXED_WHILE_RUNNING
from protocore.generation.presets import PRESETS, default_preset, matching_preset
from protocore.generation.settings import GenerationSettings, Target
from protocore.jobs.engine import JobView
from protocore.jobs.generation import GenerationRequest, find_made, submit_generation
from protocore.models.classifier import Classifier
from protocore.models.spec import ModelSpec

if TYPE_CHECKING:  # loaded when it is asked for: a first start waits two seconds less
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
    _apply_link()
    if what and what[0] == "run" and st.session_state.get("opened") != what[1]:
        st.session_state["opened"] = what[1]
        with suppress(ProtocoreError):  # a model or run that is gone is explained beside
            _apply_run(what[1])
    spec = pick_model(pool())
    if spec is None:
        return None, False
    classifier = load_model(spec)
    classes = pick_classes(classifier)
    seeds = pick_seeds()
    button_place = st.container()  # above the settings, where it is seen
    settings, preset = settings_controls(classifier.source, running=False)
    similarity = _similarity_controls(classifier.source)
    showing.write_link(classes, seeds, preset)
    clicked = button_place.button(
        "Generate",
        key="generate",
        type="primary",
        icon=":material/play_arrow:",
        disabled=not classes,
        width="stretch",
        shortcut="Ctrl+Enter",
    )
    if not classes:
        return None, False
    targets = make_targets(classes, seeds)
    wish = Wish(
        spec=spec,
        classifier=classifier,
        targets=targets,
        settings=settings,
        preset=preset,
        similarity=similarity,
    )
    return wish, clicked


def _similarity_controls(source: str) -> LiveSimilarityRequest | None:
    """Whether path similarity is measured while the prototype evolves, and against what."""
    with st.expander("Live path similarity", icon=":material/show_chart:"):
        wanted = st.toggle(
            "Measure while it runs",
            key="live_similarity",
            help="How like natural images it is inside the network. The first time for a class "
            "the natural images are measured, which can take minutes.",
            persist_state="session",
        )
        every = st.number_input(
            "Every … steps", 1, 1000, 16, key="similarity_every", persist_state="session"
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


def tuning_controls(job: JobView) -> None:
    """The sliders of a running job: what is moved holds from its next step on."""
    request: GenerationRequest = job.meta["request"]
    tuned = st.session_state.get("tuned", ("", None))
    if tuned[0] != job.id:  # attached just now: the controls take over the job's settings
        st.session_state["preset"] = request.preset or default_preset(request.spec.kind).name
        apply_settings(getattr(job.snapshot, "settings", request.settings))
        st.session_state["settings_source"] = request.spec.kind
    st.markdown(f"**{job.title}**")
    st.caption("Sliders act on the running optimisation, from its next step on.")
    settings, _ = settings_controls(request.spec.kind, running=True)
    fixed = {name: getattr(request.settings, name) for name in FIXED_WHILE_RUNNING}
    settings = settings.replace(**fixed)
    if tuned[0] == job.id and settings != tuned[1]:
        engine().send(job.id, settings)
        st.toast("Changed from the next step on", icon=":material/tune:")
    st.session_state["tuned"] = (job.id, settings)


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
    st.session_state["tuned"] = (job_id, wish.settings)
    showing.show("job", job_id)


def run_title(classifier: Classifier, targets: tuple[Target, ...]) -> str:
    """Such as "golf ball, French horn · 2 seeds · mobilenet_v2"."""
    names = list(dict.fromkeys(classifier.class_names[t.class_index] for t in targets))
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    seeds = len({target.seed for target in targets})
    middle = f" · {seeds} seeds" if seeds > 1 else ""
    return f"{shown}{middle} · {classifier.name}"


def _apply_link() -> None:
    """Take classes, seeds and preset from the link that opened the session."""
    link = showing.read_link()
    if "classes" in link:
        parts = [part for part in link["classes"].split(",") if part.strip().isdigit()]
        st.session_state["classes"] = [int(part) for part in parts]
    if "seeds" in link:
        st.session_state["seeds"] = link["seeds"]
    if link.get("preset") in {preset.name for preset in PRESETS}:
        apply_preset(link["preset"])


def _apply_run(run_id: str) -> None:
    """Put model, classes, seeds and settings of a kept run into the controls."""
    run = library().run(run_id)
    records = [library().load_prototype(i).record for i in run.prototypes]
    choose_model(linked_spec(run.model_link))
    st.session_state["classes"] = list(dict.fromkeys(r.class_index for r in records))
    st.session_state["seeds"] = ", ".join(dict.fromkeys(str(r.seed) for r in records))
    settings = records[0].settings
    preset = matching_preset(settings) or default_preset(records[0].source)
    st.session_state["preset"] = preset.name
    apply_settings(settings)
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
