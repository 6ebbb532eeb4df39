"""A finished run from the library: frames, curves, downloads and what to do with it next."""

from __future__ import annotations

import io
import json
import zipfile
from itertools import pairwise
from pathlib import Path

import streamlit as st

from pages.components.common.resources import library
from pages.components.generate.grid import Cell, show_grid
from pages.components.generate.live_view import duration
from protocore.generation.prototype import Prototype
from protocore.generation.recording import encode_animation
from protocore.library.library import PrototypeInfo
from protocore.reports.figures.generation import CURVE_TITLES, run_curve

NEXT_PAGES = (
    ("Path Similarity", "pages/2_Path_Similarity.py", ":material/show_chart:"),
    ("Compare", "pages/3_Compare.py", ":material/compare:"),
    ("Bias Review", "pages/4_Bias_Review.py", ":material/fact_check:"),
)
ROOT = Path(__file__).parents[3]


def show_kept(infos: list[PrototypeInfo]) -> None:
    """Images at any step, curves, facts, downloads and links to the next pages."""
    prototypes = [library().load_prototype(info.id) for info in infos]
    _frames(infos, prototypes)
    _actions(infos, prototypes)
    curves = [library().curves(info.id) for info in infos]
    labels = [info.title for info in infos]
    changes = sorted({c.step for p in prototypes for c in p.record.history[1:]})
    for name, place in zip(CURVE_TITLES, st.columns(len(CURVE_TITLES)), strict=True):
        figure = run_curve(curves, labels, name, changes=changes)
        place.plotly_chart(figure, key=f"kept_{name}", config={"displaylogo": False})
    with st.expander("Settings and provenance", icon=":material/receipt_long:"):
        _facts(prototypes)


@st.fragment
def _frames(infos: list[PrototypeInfo], prototypes: list[Prototype]) -> None:
    """The grid with a slider over the run's history; the last position is the prototype itself."""
    history = [{frame.step: frame.path for frame in library().frames(info.id)} for info in infos]
    steps = sorted(set.intersection(*(set(frames) for frames in history))) if history else []
    place = st.container()
    chosen = None
    if len(steps) > 1:
        chosen = st.select_slider(
            "Step", steps, value=steps[-1], key="frame", help="Drag to see how the image came about"
        )
    final = chosen is None or chosen == steps[-1]
    cells = [
        Cell(
            image=(info.picture if final else frames[chosen]).read_bytes(),
            title=info.title,
            badge=_badge(info) if final else f"step {chosen}",
            class_index=info.class_index,
            top=prototype.record.top if final else (),
        )
        for info, prototype, frames in zip(infos, prototypes, history, strict=True)
    ]
    with place:
        show_grid(cells, prototypes[0].image.shape[1])


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
    st.code(json.dumps(record.settings.to_dict(), indent=2), language="json")


def _change(before, after) -> dict[str, str]:
    old, new = before.to_dict(), after.settings.to_dict()
    changed = [f"{k.replace('_', ' ')}: {old[k]} → {new[k]}" for k in new if old[k] != new[k]]
    return {"from step": str(after.step), "changed": "; ".join(changed)}
