"""Choose natural images: the demo world, a folder, an upload or one of torchvision's data sets.

What was found is shown with the class that each folder was taken for, to be confirmed or changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.components.common.errors import show_error
from pages.components.common.resources import engine, library
from protocore.errors import NaturalReferenceError, ProtocoreError
from protocore.jobs.similarity import submit_download
from protocore.models.classifier import Classifier
from protocore.similarity.datasets import IMAGENETTE_SIZES, imagenet_folder, imagenette_folder
from protocore.similarity.image_sets import ImageSet, from_uploads, open_folder, open_zip
from protocore.similarity.matching import OTHER_CLASS, FolderMatch, match_folders
from protocore.text import time_left

SOURCES = {"demo": "Demo", "folder": "Folder", "upload": "Upload", "dataset": "Data set"}
DATASETS = (*(f"Imagenette {size}" for size in IMAGENETTE_SIZES), "ImageNet val", "ImageNet train")
UPLOAD_TYPES = ("zip", "jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff")
MAX_UPLOAD = 500  # MB
OWN, OTHERS = "images of the class", "images of other classes"
NOT_USED, ANY_OTHER = "not used", "other classes"
KEEP = {"persist_state": "session"}


@dataclass(frozen=True, kw_only=True, eq=False)
class ChosenImages:
    """Images and which group of them is which class; no images: the demo world."""

    images: ImageSet | None = None
    matches: tuple[FolderMatch, ...] = ()


def pick_images(classifier: Classifier, classes: Sequence[int]) -> ChosenImages | None:
    """Draw the controls; None while nothing usable is chosen, which is then explained."""
    st.session_state.setdefault("similarity_source", _likely_source(classifier))
    source = st.segmented_control(
        "Natural images",
        list(SOURCES),
        format_func=SOURCES.get,
        key="similarity_source",
        required=True,
        width="stretch",
        help="Photographs, or whatever the model is meant for, of the class and of other classes",
        **KEEP,
    )
    if source == "demo":
        st.caption("Rendered figures in endless supply, for the demo model's classes.")
        return ChosenImages()
    pick = {"folder": _pick_folder, "upload": _pick_upload, "dataset": _pick_dataset}[source]
    try:
        images = pick()
        return images and _confirm(images, classifier, classes)
    except ProtocoreError as error:
        show_error(str(error))
        return None


def _likely_source(classifier: Classifier) -> str:
    return "demo" if classifier.source == "demo" else "folder"


def _pick_folder() -> ImageSet | None:
    path = st.text_input(
        "Folder on the server",
        key="similarity_folder",
        placeholder="/folder/with/one/subfolder/per/class",
        help="Subfolders named by class name, class index or WordNet id",
        **KEEP,
    ).strip()
    if not path:
        st.caption("One subfolder per class; the paper used 100 images per class.")
        return None
    return _opened(path)


def _opened(path: str) -> ImageSet:
    """The folder's content, read once: a whole ImageNet takes seconds to list."""
    held = st.session_state.get("similarity_opened")
    again = st.button("Rescan folder", icon=":material/refresh:", type="tertiary")
    if held is None or held[0] != path or again:
        with st.spinner("Looking for images …"):
            held = st.session_state["similarity_opened"] = (path, open_folder(path))
    return held[1]


def _pick_upload() -> ImageSet | None:
    own = st.file_uploader(
        "Images of the class, or one zip with a folder per class",
        type=UPLOAD_TYPES,
        accept_multiple_files=True,
        key="similarity_upload",
        max_upload_size=MAX_UPLOAD,
    )
    archives = [file for file in own if file.name.lower().endswith(".zip")]
    if archives and len(own) > 1:
        raise NaturalReferenceError(
            f"give either images or one zip archive, got {len(own)} files of both; remove some"
        )
    if archives:
        return open_zip(archives[0].getvalue(), archives[0].name)
    others = st.file_uploader(
        "Images of other classes",
        type=UPLOAD_TYPES[1:],
        accept_multiple_files=True,
        key="similarity_upload_others",
        max_upload_size=MAX_UPLOAD,
    )
    if not own or not others:
        st.caption("Both are needed: what tells the class apart is measured against the others.")
        return None
    parts = ((OWN, own), (OTHERS, others))
    groups = {name: from_uploads(_read(files), name).groups[name] for name, files in parts}
    return ImageSet(source="upload", groups=groups)


def _read(files) -> list[tuple[str, bytes]]:
    return [(file.name, file.getvalue()) for file in files]


def _pick_dataset() -> ImageSet | None:
    dataset = st.selectbox("Data set", DATASETS, key="similarity_dataset", **KEEP)
    st.session_state.setdefault("similarity_root", str(library().folder / "datasets"))
    root = st.text_input("Data set folder", key="similarity_root", **KEEP).strip()
    name, variant = dataset.split(" ")
    if name == "ImageNet":
        return _opened(str(imagenet_folder(root, split=variant)))
    try:
        return _opened(str(imagenette_folder(root, size=variant)))
    except NaturalReferenceError as error:
        _offer_download(root, variant, str(error))
        return None


def _offer_download(root: str, size: str, why: str) -> None:
    """A button, or how far the download is; the reason it ended without success."""
    running = [job for job in engine().views() if job.meta.get("dataset") == (root, size)]
    if running and running[0].active:
        st.button("Cancel the download", on_click=engine().stop, args=(running[0].id,))
        _watch_download(running[0].id)
        return
    if running and running[0].error:
        show_error(running[0].error)
    else:
        st.info(f"Imagenette ({size}) is not in {root} yet.", icon=":material/cloud_download:")
    st.button(
        "Download Imagenette",
        icon=":material/download:",
        key="similarity_download",
        help=why,
        on_click=submit_download,
        args=(engine(), Path(root), size),
    )


@st.fragment(run_every=0.5)
def _watch_download(job_id: str) -> None:
    view = engine().view(job_id)
    if not view.active:
        st.rerun()  # of the whole page, which ends this timer
    left = f" · {time_left(view.seconds_left)}" if view.seconds_left else ""
    st.progress(view.fraction, text=f"{view.done / 2**20:.0f} MB{left}")


def _confirm(images: ImageSet, classifier: Classifier, classes: Sequence[int]) -> ChosenImages:
    """Show which group is which class, with a way to change it."""
    if set(images.groups) == {OWN, OTHERS}:
        if len(set(classes)) > 1:
            raise NaturalReferenceError(
                f"these prototypes are of {len(set(classes))} classes, but single images can be "
                "of one only; upload a zip with a folder per class"
            )
        own = FolderMatch(folder=OWN, class_index=classes[0], how="given")
        others = FolderMatch(folder=OTHERS, class_index=OTHER_CLASS, how="given")
        return ChosenImages(images=images, matches=(own, others))
    matches = match_folders(images.groups, classifier)
    known = sum(match.class_index is not None for match in matches)
    with st.expander(
        f"{known} of {len(matches)} folders matched: review", icon=":material/checklist:"
    ):
        matches = _edit(images, matches, classifier)
    missing = sorted(set(classes) - {match.class_index for match in matches})
    if missing:
        raise NaturalReferenceError(
            f"no folder holds images of {', '.join(classifier.label(i) for i in missing)}; match "
            "one in the list above, or choose other images"
        )
    return ChosenImages(images=images, matches=matches)


def _edit(
    images: ImageSet, matches: tuple[FolderMatch, ...], classifier: Classifier
) -> tuple[FolderMatch, ...]:
    labels = {classifier.label(i): i for i in range(classifier.num_classes)}
    options = {NOT_USED: None, ANY_OTHER: OTHER_CLASS, **labels}
    names = {index: name for name, index in options.items()}
    rows = [
        {
            "Folder": match.folder,
            "Class": names[match.class_index],
            "Images": len(images.groups[match.folder]),
            "Matched by": match.how,
        }
        for match in matches
    ]
    edited = st.data_editor(
        rows,
        column_config={
            "Class": st.column_config.SelectboxColumn(options=list(options), required=True)
        },
        disabled=["Folder", "Images", "Matched by"],
        hide_index=True,
        key=f"similarity_matches_{images.source}_{classifier.identity[:8]}",
    )
    return tuple(
        match
        if options[row["Class"]] == match.class_index
        else FolderMatch(folder=match.folder, class_index=options[row["Class"]], how="given")
        for match, row in zip(matches, edited, strict=True)
    )
