"""Where in the image: occlusion maps, and covering a region by hand."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from pages.components.common.errors import errors_shown, escaped
from pages.components.common.images import data_uri
from pages.components.compare.canvas import draw_regions, drawn_regions
from pages.components.compare.jobs import analysis
from protocore.compare.edits import COVERS, Box, Stroke, what_if
from protocore.compare.occlusion import OcclusionMap, occlusion_map
from protocore.models.classifier import Classifier
from protocore.reports.figures.compare import AGAINST, SUPPORT, occlusion_overlay
from protocore.reports.pictures import png_bytes

COVER_TITLES = {
    "mean": "Mean colour",
    "blur": "Blur",
    "grey": "Grey",
    "black": "Black",
}
COLUMNS = 4
EDITOR = "compare_editor"
OWN = -1  # in the list of classes: each prototype's own


def show_occlusion(classifier: Classifier, shown) -> None:
    """How much the logit falls when a patch is covered, over each prototype."""
    classes = list(dict.fromkeys(index for item in shown.items for index, _ in item.weights))
    left, middle, right = st.columns(3)
    target = left.selectbox(
        "Logit of",
        [OWN, *classes],
        format_func=lambda i: "each prototype's own class" if i == OWN else classifier.label(i),
        key="occlusion_class",
    )
    share = middle.slider(
        "Patch (share of the width)", 0.05, 0.4, 0.15, step=0.05, key="occlusion_patch",
        help="Small: sharp and slow. Large: whole parts at once.",
    )  # fmt: skip
    how = right.selectbox("Patches", COVERS, format_func=COVER_TITLES.get, key="occlusion_how")

    def work(progress) -> list[OcclusionMap]:
        total = len(shown.prototypes)
        found = []
        for place, prototype in enumerate(shown.prototypes):
            found.append(
                occlusion_map(
                    classifier,
                    prototype.image,
                    classes,
                    patch=max(1, round(share * prototype.image.shape[1])),
                    how=how,
                    progress=lambda done, of, place=place: progress(place * of + done, total * of),
                )
            )
        return found

    key = "|".join((classifier.identity, str(share), how, *shown.ids))
    maps = analysis("occlusion", key, "Covering patch by patch", str(classifier.device), work)
    if maps is not None:
        _show_maps(shown, maps, classes, target)


def _show_maps(shown, maps: list[OcclusionMap], classes: list[int], target: int) -> None:
    wanted = [classes.index(item.class_index if target == OWN else target) for item in shown.items]
    heats = [one.heat[place] for one, place in zip(maps, wanted, strict=True)]
    limit = max(float(np.abs(heat).max()) for heat in heats)
    st.html(_scale(limit))
    columns = st.columns(min(len(heats), COLUMNS))
    for place, (item, one, heat) in enumerate(zip(shown.items, maps, heats, strict=True)):
        image = shown.prototypes[place].image
        overlay = png_bytes(Image.fromarray(occlusion_overlay(image, heat, limit)))
        logit = one.logits[wanted[place]]
        with columns[place % COLUMNS]:
            st.image(data_uri(overlay), width="stretch", alt=f"Occlusion map of {item.title}")
            st.caption(f"**{escaped(item.title)}** · logit {logit:.1f}")


def _scale(limit: float) -> str:
    """The colours of the maps and the change of the logit that they stand for."""
    against, support = (f"rgb({r}, {g}, {b})" for r, g, b in (AGAINST, SUPPORT))
    return (
        '<div style="max-width:34rem;font-size:.85rem;font-variant-numeric:tabular-nums">'
        "Change of the logit when this place is covered; one scale for all images"
        f'<div style="height:.8rem;border-radius:.2rem;margin:.25rem 0;background:'
        f'linear-gradient(to right,{support},#888,{against})"></div>'
        '<div style="display:flex;justify-content:space-between">'
        f"<span>\u2212{limit:.2g} (falls)</span><span>0</span><span>+{limit:.2g} (rises)</span>"
        "</div></div>"
    )


@st.fragment
def show_edits(classifier: Classifier, shown) -> None:
    """Cover or blur a region by hand and see the logits of all shown classes change."""
    left, right = st.columns(2)
    place = left.selectbox(
        "Image",
        range(len(shown.items)),
        format_func=lambda i: shown.items[i].title,
        key="edit_image",
    )
    how = right.selectbox("Regions", COVERS, format_func=COVER_TITLES.get, key="edit_how")
    image = shown.prototypes[place].image
    identifier = shown.infos[place].id
    numbers = _box_by_numbers()
    with errors_shown():
        shapes = (*drawn_regions(identifier, EDITOR), *numbers)
        found = what_if(classifier, image, shapes, how)
        edited = png_bytes(Image.fromarray(found.image))
        draw_regions(identifier, shown.infos[place].picture.read_bytes(), edited, key=EDITOR)
        _show_effect(classifier, shown, found)


def _box_by_numbers() -> tuple[Box | Stroke, ...]:
    """A box without a mouse."""
    with st.expander("A box by numbers", icon=":material/crop:"):
        if not st.toggle("Edit this box too", key="edit_box"):
            return ()
        left, right = st.slider("From left to right (%)", 0, 100, (25, 75), key="edit_across")
        top, bottom = st.slider("From top to bottom (%)", 0, 100, (25, 75), key="edit_down")
        if left == right or top == bottom:
            st.caption("The box is empty.")
            return ()
        return (Box(left=left / 100, top=top / 100, right=right / 100, bottom=bottom / 100),)


def _show_effect(classifier: Classifier, shown, found) -> None:
    classes = list(dict.fromkeys(index for item in shown.items for index, _ in item.weights))
    before = int(found.before.argmax())
    after = int(found.after.argmax())
    st.caption(f"{found.share:.0%} of the image is edited.")
    columns = st.columns(min(len(classes), COLUMNS))
    for place, index in enumerate(classes):
        change = found.after[index] - found.before[index]
        columns[place % COLUMNS].metric(
            f"Logit of {classifier.label(index)}",
            f"{found.after[index]:.2f}",
            f"{change:+.2f}" if found.share else None,
            help=f"Probability {found.probabilities_before[index]:.3f} before, "
            f"{found.probabilities_after[index]:.3f} now.",
            border=True,
        )
    if found.share and before != after:
        st.markdown(
            f":material/change_circle: The model now sees **{escaped(classifier.label(after))}** "
            f"instead of **{escaped(classifier.label(before))}**."
        )
