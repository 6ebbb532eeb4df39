"""Where the images of a cohort test come from: the demo world, folders, uploads."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from PIL import Image

from pages.components.common.errors import errors_shown, escaped, show_error
from pages.components.common.images import data_uri
from protocore.cohorts.cohort import (
    MAX_IMAGES,
    claim_cohorts,
    folder_files,
    upload_files,
)
from protocore.cohorts.recipes import DemoRecipe
from protocore.demo.biases import claim_by_key
from protocore.errors import ProtocoreError
from protocore.jobs.cohort_tests import CohortImages
from protocore.models.classifier import Classifier
from protocore.reports.pictures import png_bytes
from protocore.review.session import Claim

DEMO_COUNT = 100  # pairs
EXAMPLES = 4  # pairs that are shown before the test
SOURCES = {"demo": "Demo world", "folder": "Folders", "upload": "Upload"}
UPLOAD_TYPES = ("zip", "jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff")
MAX_UPLOAD = 500  # MB


def pick_cohorts(classifier: Classifier, claim: Claim) -> CohortImages | None:
    """Draw the controls; None while something is missing, which is then said."""
    known = claim.current.said.known
    sources = list(SOURCES) if known else [name for name in SOURCES if name != "demo"]
    key = f"cohort_source_{claim.id}"
    if st.session_state.get(key) not in sources:
        st.session_state[key] = sources[0]
    source = st.segmented_control(
        "Images", sources, format_func=SOURCES.get, key=key, required=True, persist_state="page"
    )
    pick = {"demo": _demo, "folder": _folders, "upload": _uploads}[source]
    try:
        return pick(classifier, claim)
    except ProtocoreError as error:
        show_error(str(error))
        return None


def _demo(classifier: Classifier, claim: Claim) -> CohortImages:
    """Pairs that differ in one attribute, rendered as the test needs them."""
    said = claim.current.said
    columns = st.columns(3)
    count = columns[0].number_input(
        "Pairs", 2, MAX_IMAGES, DEMO_COUNT, step=10, key=f"cohort_count_{claim.id}",
        persist_state="page",
    )  # fmt: skip
    seed = columns[1].number_input(
        "First scene", 0, 2**31, 0, key=f"cohort_seed_{claim.id}", persist_state="page",
        help="Other scenes than those looked at before make an independent test.",
    )  # fmt: skip
    haze = columns[2].slider(
        "Haze", 0.0, 0.9, 0.0, step=0.05, key=f"cohort_haze_{claim.id}", persist_state="page",
        help="Makes the pictures harder: in clear ones the demo model is nearly always right, so "
        "that accuracies cannot differ.",
    )  # fmt: skip
    recipe = DemoRecipe(claim=said.known, count=int(count), seed=int(seed), haze=float(haze))
    _examples(classifier, said.known, int(seed), float(haze))
    source = f"demo world, {int(count)} scenes from {int(seed)} on, haze {haze:g}"
    return CohortImages(recipe=recipe, source_a=source, source_b=source)


def _examples(classifier: Classifier, known: str, seed: int, haze: float) -> None:
    one = claim_by_key(known)
    size = classifier.input_size
    cohorts = claim_cohorts(one, size=size, count=EXAMPLES, seed=seed, haze=haze)
    for cohort, column in zip(cohorts, st.columns(2), strict=True):
        with column:
            st.caption(escaped(cohort.label))
            for pixels, place in zip(cohort.pixels, st.columns(EXAMPLES), strict=True):
                picture = png_bytes(Image.fromarray(pixels))
                place.image(data_uri(picture), width="stretch", alt=cohort.label)


def _folders(_classifier: Classifier, claim: Claim) -> CohortImages | None:
    found = []
    for side, column in zip("ab", st.columns(2), strict=True):
        path = column.text_input(
            f"Folder of cohort {side.upper()}",
            key=f"cohort_folder_{side}_{claim.id}",
            placeholder="/folder/with/images",
            persist_state="page",
        ).strip()
        if path:
            with column, errors_shown():  # the other side must be drawn too, or it is forgotten
                files = folder_files(path)
                st.caption(f"{len(files)} images")
                found.append((path, files))
    if len(found) < 2:
        st.caption(
            "A folder of images for each cohort; for pairs, files that belong together have the "
            "same name in both."
        )
        return None
    (path_a, a), (path_b, b) = found
    return CohortImages(
        files_a=a,
        files_b=b,
        source_a=f"folder {Path(path_a).name}",
        source_b=f"folder {Path(path_b).name}",
    )


def _uploads(_classifier: Classifier, claim: Claim) -> CohortImages | None:
    found = []
    for side, column in zip("ab", st.columns(2), strict=True):
        files = column.file_uploader(
            f"Images of cohort {side.upper()}, or a zip of them",
            type=UPLOAD_TYPES,
            accept_multiple_files=True,
            key=f"cohort_upload_{side}_{claim.id}",
            max_upload_size=MAX_UPLOAD,
        )
        if files:
            with column, errors_shown():
                found.append(upload_files([(one.name, one.getvalue()) for one in files]))
    if len(found) < 2:
        st.caption("Images for each cohort: choose several at once, or a zip archive.")
        return None
    return CohortImages(files_a=found[0], files_b=found[1], source_a="upload", source_b="upload")
