"""A finished run from the library: frames, curves, downloads and what to do with it next."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.components.common.resources import library
from pages.components.generate.curves import show_curves
from pages.components.generate.live_view import places
from pages.components.generate.pictures import Cell, show_pictures
from protocore.generation.calls import as_command, as_python
from protocore.generation.fields import FIELDS
from protocore.generation.prototype import Prototype
from protocore.generation.recording import encode_animation
from protocore.generation.where import alpha_png, motif_box
from protocore.library.library import PrototypeInfo
from protocore.text import duration

NEXT_PAGES = (
    ("Path Similarity", "pages/2_Path_Similarity.py", ":material/show_chart:"),
    ("Compare", "pages/3_Compare.py", ":material/compare:"),
    ("Bias Review", "pages/4_Bias_Review.py", ":material/fact_check:"),
)
ROOT = Path(__file__).parents[3]


def show_kept(infos: list[PrototypeInfo], bar: Callable[[], DeltaGenerator]) -> None:
    """Pictures at any step, curves, facts, downloads and links to the next pages.

    `bar` draws the bar that stays in sight and returns the place in it for the step.
    """
    prototypes = [library().load_prototype(info.id) for info in infos]
    with st.container(key="run_bar"):
        step_place = bar()
    pictures, curves = places(len(infos))
    _frames(infos, prototypes, step_place, pictures)
    with curves:
        show_curves(
            [library().curves(info.id) for info in infos],
            [prototype.record.target for prototype in prototypes],
            [info.title for info in infos],
            key="curves",
            changes=sorted({c.step for p in prototypes for c in p.record.history[1:]}),
        )
    _actions(infos, prototypes)
    with st.expander("Settings and provenance", icon=":material/receipt_long:"):
        _facts(prototypes)


def _frames(infos: list[PrototypeInfo], prototypes: list[Prototype], bar, place) -> None:
    """The pictures at the step that is chosen in the bar; the last one is the prototype itself."""
    history = [{frame.step: frame.path for frame in library().frames(info.id)} for info in infos]
    steps = sorted(set.intersection(*(set(frames) for frames in history))) if history else []
    chosen = None
    if len(steps) > 1:
        with bar:
            chosen = _step_control(steps)
    final = chosen is None or chosen == steps[-1]
    cells = []
    for row, (info, prototype) in enumerate(zip(infos, prototypes, strict=True)):
        where = prototype.where
        file = info.picture if final else history[row][chosen]
        cells.append(
            Cell(
                image=file.read_bytes(),
                target=prototype.record.target,
                title=info.title,
                probability=info.probability if final else None,
                badge=_badge(info) if final else f"step {chosen}",
                note=prototype.record.finding,
                top=prototype.record.top if final else (),
                where=prototype.record.where,
                motif=None if where is None else motif_box(where),
            )
        )
    with place:
        show_pictures(cells, key="pictures")


def _step_control(steps: list[int]) -> int:
    """A slider over the kept steps; the step is in the link, unless it is the last one."""
    named = st.query_params.get("step", "")
    if st.session_state.get("frame") not in steps:
        wanted = int(named) if named.isdecimal() else steps[-1]
        st.session_state["frame"] = min(steps, key=lambda step: abs(step - wanted))
    chosen = st.select_slider(
        "Step: drag to replay the optimisation",
        steps,
        key="frame",
        format_func=lambda step: f"step {step}",
        label_visibility="collapsed",
    )
    if chosen != steps[-1]:
        st.query_params["step"] = str(chosen)
    else:
        st.query_params.pop("step", None)
    return chosen


def _badge(info: PrototypeInfo) -> str:
    """Class probability, and path similarity where it has been measured; never that alone."""
    text = f"p {info.probability:.2f}"
    return text if info.similarity is None else f"{text} · similarity {info.similarity:.2f}"


def _actions(infos: list[PrototypeInfo], prototypes: list[Prototype]) -> None:
    ids = ",".join(info.id for info in infos)
    with st.container(horizontal=True):
        for title, page, icon in NEXT_PAGES:
            if (ROOT / page).is_file():
                st.page_link(page, label=f"To {title}", icon=icon, query_params={"prototypes": ids})
        with st.popover("Download", icon=":material/download:"):
            _downloads(infos, prototypes)
        with st.popover("Copy as code", icon=":material/code:", width="content"):
            _calls(infos, prototypes)


def _downloads(infos: list[PrototypeInfo], prototypes: list[Prototype]) -> None:
    if len(infos) > 1:
        st.download_button(
            "All as ZIP",
            data=lambda: _zip(infos, prototypes),
            file_name=f"{prototypes[0].record.model}_prototypes.zip",
            icon=":material/folder_zip:",
            on_click="ignore",
        )
    for info, prototype in zip(infos, prototypes, strict=True):
        if len(infos) > 1:
            st.markdown(f"**{info.title}**")
        with st.container(horizontal=True):
            st.download_button(
                "PNG",
                data=info.picture.read_bytes,
                file_name=f"{prototype.stem}.png",
                mime="image/png",
                key=f"png_{info.id}",
                on_click="ignore",
            )
            if (where := prototype.where) is not None:
                st.download_button(
                    "Transparent",
                    data=lambda p=prototype, w=where: alpha_png(p.image, w),
                    file_name=f"{prototype.stem}_where.png",
                    mime="image/png",
                    key=f"alpha_{info.id}",
                    help="Opaque where the network looked",
                    on_click="ignore",
                )
            st.download_button(
                "Animation",
                data=lambda i=info: _animation(i),
                file_name=f"{prototype.stem}.webp",
                mime="image/webp",
                key=f"webp_{info.id}",
                on_click="ignore",
            )
            st.download_button(
                "Record",
                data=info.record.read_bytes,
                file_name=f"{prototype.stem}.json",
                mime="application/json",
                key=f"json_{info.id}",
                on_click="ignore",
            )


def _animation(info: PrototypeInfo) -> bytes:
    files = [frame.path.read_bytes() for frame in library().frames(info.id)]
    return encode_animation(files or [info.picture.read_bytes()])


def _zip(infos: list[PrototypeInfo], prototypes: list[Prototype]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, prototype in zip(infos, prototypes, strict=True):
            archive.write(info.picture, f"{prototype.stem}.png")
            archive.write(info.record, f"{prototype.stem}.json")
    return buffer.getvalue()


def _calls(infos: list[PrototypeInfo], prototypes: list[Prototype]) -> None:
    """The calls that make these prototypes again, to copy."""
    record = prototypes[0].record
    if len({p.record.settings for p in prototypes}) > 1:
        st.caption("These prototypes have different settings: open one run at a time.")
        return
    if not all(prototype.record.repeatable for prototype in prototypes):
        st.caption(
            "Settings were changed during the run, or it was stopped early: these calls use the "
            "settings of the last step for the whole run."
        )
    targets = [prototype.record.target for prototype in prototypes]
    about = (infos[0].model_link, record.device, targets, record.settings)
    st.markdown("Python")
    st.code(as_python(*about), language="python")
    if command := as_command(*about):
        st.markdown("Command")
        st.code(command, language="bash", wrap_lines=True)


def _facts(prototypes: list[Prototype]) -> None:
    record = prototypes[0].record
    st.markdown(
        f"**{record.model}** · {record.weights} · weights `{record.weight_hash[:12]}` · "
        f"{record.steps} steps in {duration(record.seconds)} on {record.device} "
        f"({record.precision}) · {record.created}"
    )
    if len(record.history) > 1:
        st.markdown("Tuned while running:")
        st.table([_change(b.settings, a) for b, a in pairwise(record.history)])
    values = record.settings.to_dict()
    st.table(
        [
            {"setting": field.label, "value": _said(values[name]), "unit": field.unit}
            for name, field in FIELDS.items()
        ]
    )


def _change(before, after) -> dict[str, str]:
    old, new = before.to_dict(), after.settings.to_dict()
    changed = [f"{FIELDS[k].label}: {old[k]} → {new[k]}" for k in new if old[k] != new[k]]
    return {"from step": str(after.step), "changed": "; ".join(changed)}


def _said(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(f"{part:g}" for part in value)
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
