"""Choose a classifier: the demo model, one of torchvision's, or one's own weights.

The choice is kept in `st.session_state["model_spec"]` while the user changes pages, and in the
page's link as `?model=`, so that it can be sent to a colleague.
"""

from __future__ import annotations

import dataclasses

import streamlit as st

from pages.components.common.errors import show_error
from pages.components.common.links import DEVICE, chosen_device, linked_spec
from protocore.errors import ProtocoreError
from protocore.models.catalog import CatalogEntry, architectures, catalog, find_entry
from protocore.models.checkpoint import MAX_UPLOAD_BYTES, SUFFIXES
from protocore.models.class_names import MAX_FILE_BYTES
from protocore.models.devices import available_devices, default_device
from protocore.models.download import Download
from protocore.models.files import keep_upload
from protocore.models.fitting import RESCALING
from protocore.models.loading import demo_variants, detect_architecture
from protocore.models.pool import ModelPool
from protocore.models.spec import DEMO_VARIANT, ModelSpec, join_triple, parse_triple

SOURCES = {
    "demo": "Demo",
    "torchvision": "torchvision",
    "checkpoint": "Custom",
}
DETECT = "detect"
NAME_SUFFIXES = (".txt", ".json", ".csv", ".tsv", ".py")
KEEP = {"persist_state": "session"}


def pick_model(pool: ModelPool, *, disabled: bool = False) -> ModelSpec | None:
    """Draw the controls; returns what was chosen, None while it cannot be used yet.

    What is missing, and what to do about it, is shown where it was chosen. `disabled` freezes
    the controls, for pages on which a job is running. Loading is left to the page.
    """
    _follow_link()
    source = st.segmented_control(
        "Model",
        list(SOURCES),
        format_func=SOURCES.get,
        key="model_source",
        required=True,
        disabled=disabled,
        width="stretch",
        **KEEP,
    )
    pick = {"torchvision": _pick_torchvision, "checkpoint": _pick_checkpoint}.get(source)
    try:
        spec = pick(pool, disabled) if pick else _pick_demo(disabled)
        if spec is None:
            return None
        spec = dataclasses.replace(spec, device=_pick_device(disabled))
    except ProtocoreError as error:
        show_error(str(error))
        return None
    _remember(spec)
    return spec if _usable(spec, pool, disabled) else None


def choose_model(spec: ModelSpec) -> None:
    """Put `spec` into the controls; call it before they are drawn, or in a callback."""
    state = st.session_state
    state["model_spec"] = spec
    state["model_source"] = spec.kind
    state["model_device"] = spec.device
    if spec.kind == "demo":
        state["model_variant"] = spec.weights
    elif spec.kind == "torchvision":
        state["model_entry"] = f"{spec.architecture}:{spec.weights}"
    else:
        state["model_architecture"] = spec.architecture
        state["model_path"] = str(spec.file.path)
        state["model_names"] = str(spec.names_file.path) if spec.names_file else ""
        state["model_mean"] = join_triple(spec.mean) or ""
        state["model_std"] = join_triple(spec.std) or ""
        state["model_size"] = spec.input_size
        state["model_rescales"] = spec.transform_input is not False


def _follow_link() -> None:
    """Take the model from the page's link when somebody else than this module has set it."""
    link = st.query_params.get("model")
    if link and link != st.session_state.get("model_link"):
        st.session_state["model_link"] = link
        try:
            choose_model(linked_spec(link))
        except ProtocoreError as error:
            show_error(f"the model in this link cannot be used: {error}")
    if "model_source" not in st.session_state:
        choose_model(st.session_state.get("model_spec") or ModelSpec.demo(device=chosen_device()))


def _remember(spec: ModelSpec) -> None:
    """Keep the choice for other pages and put it into the link; the default needs none."""
    link = spec.to_link()
    st.session_state["model_spec"] = spec
    st.session_state["model_link"] = link
    if spec.kind != "demo" or spec.weights != DEMO_VARIANT:
        st.query_params["model"] = link
    else:
        st.query_params.pop("model", None)
    if spec.device != default_device():
        st.query_params[DEVICE] = spec.device
    else:
        st.query_params.pop(DEVICE, None)


def _usable(spec: ModelSpec, pool: ModelPool, disabled: bool) -> bool:
    if spec.kind != "torchvision":
        return True
    entry = find_entry(spec.architecture, spec.weights)
    if not entry.on_disk:
        _offer_download(entry, pool, disabled)
    return entry.on_disk


def _pick_demo(disabled: bool) -> ModelSpec | None:
    variants = demo_variants()
    if not variants:
        st.info(
            "The demo weights are missing from this copy of Protocore. Restore `assets/demo` from "
            "the repository, or choose another source above.",
            icon=":material/inventory_2:",
        )
        return None
    st.caption("A small network trained on rendered images. Included, fast, with known biases.")
    if len(variants) == 1:
        return ModelSpec.demo(variants[0])
    if st.session_state.get("model_variant") not in variants:
        st.session_state["model_variant"] = variants[0]
    variant = st.selectbox(
        "Training",
        variants,
        key="model_variant",
        disabled=disabled,
        help="Robust: trained on attacked images, its prototypes are clearer. Plain: as usual.",
        **KEEP,
    )
    return ModelSpec.demo(variant)


def _pick_torchvision(pool: ModelPool, disabled: bool) -> ModelSpec | None:
    entries = {f"{e.architecture}:{e.weights}": e for e in catalog() if e.classifies}
    present = {key for key, entry in entries.items() if entry.on_disk}
    if st.session_state.get("model_entry") not in entries:
        st.session_state["model_entry"] = min(present, default=None)
    # Labels change when a file comes or goes: setting the value makes the browser follow.
    st.session_state["model_entry"] = st.session_state["model_entry"]
    chosen = st.selectbox(
        f"Weights ({len(present)} of {len(entries)} on disk)",
        list(entries),
        format_func=lambda key: _entry_label(entries[key]),
        key="model_entry",
        placeholder="Type a name, such as resnet50",
        help="Parameters, input size and ImageNet top-1 accuracy stand beside each name.",
        disabled=disabled,
        **KEEP,
    )
    if chosen is None:
        st.caption("No weights are on disk yet: choose a model to see how to get its weights.")
        return None
    _describe(entries[chosen])
    return ModelSpec.torchvision(entries[chosen].architecture, entries[chosen].weights)


def _entry_label(entry: CatalogEntry) -> str:
    """What the list shows and what is searched; the mark stands first, long names are cut off."""
    mark = "✓ " if entry.on_disk else ""
    weights = entry.weights.removeprefix("IMAGENET1K_")
    accuracy = "" if entry.acc1 is None else f" · {entry.acc1:.1f} %"
    size = f"{entry.parameters / 1e6:.0f} M · {entry.input_size} px"
    return f"{mark}{entry.architecture} {weights}{accuracy} · {size}"


def _describe(entry: CatalogEntry) -> None:
    where = ":green-badge[:material/check: on disk]"
    if not entry.on_disk:
        where = f":gray-badge[:material/cloud_download: {_megabytes(entry.file_size)} to download]"
    top5 = "" if entry.acc5 is None else f", top-5 {entry.acc5:.1f} %"
    top1 = "" if entry.acc1 is None else f" · ImageNet top-1 {entry.acc1:.1f} %{top5}"
    st.caption(
        f"{where} {_millions(entry)} parameters · {entry.input_size} px · "
        f"{entry.gflops:.2f} GFLOPs{top1}"
    )


def _offer_download(entry: CatalogEntry, pool: ModelPool, disabled: bool) -> None:
    running = pool.download_of(entry)
    if running and running.state.active:
        st.button("Cancel the download", icon=":material/close:", on_click=running.cancel)
        _watch_download(running)
        return
    if running and running.state.error:
        show_error(running.state.error)
    st.info(
        f"The weights are not on this computer yet. Download them here, or, without a network, put "
        f"[{entry.file_name}]({entry.url}) into `{entry.path.parent}`.",
        icon=":material/cloud_download:",
    )
    st.button(
        f"Download {_megabytes(entry.file_size)}",
        icon=":material/download:",
        key="model_download",
        on_click=pool.start_download,
        args=(entry,),
        disabled=disabled,
    )


@st.fragment(run_every=0.5)
def _watch_download(running: Download) -> None:
    state = running.state
    if not state.active:
        st.rerun()  # of the whole page, which ends this timer
    share = min(state.done / max(state.total, 1), 1.0)
    st.progress(share, f"{_megabytes(state.done)} of {_megabytes(state.total)}")


def _pick_checkpoint(pool: ModelPool, disabled: bool) -> ModelSpec | None:
    if _receive("Weights file", SUFFIXES, MAX_UPLOAD_BYTES, "model_path", disabled):
        st.session_state["model_architecture"] = DETECT
    path = st.text_input(
        "or a path on the server",
        key="model_path",
        placeholder="/folder/weights.pth",
        disabled=disabled,
        **KEEP,
    ).strip()
    architecture = st.selectbox(
        "Architecture",
        [DETECT, *architectures()],
        format_func=lambda name: "Detect from the weights" if name == DETECT else name,
        key="model_architecture",
        help="The torchvision network that was trained; the number of classes is read from it.",
        disabled=disabled,
        **KEEP,
    )
    with st.expander("Class names and preprocessing", icon=":material/tune:"):
        options = _pick_preprocessing(architecture, disabled)
    if not path:
        st.info(
            f"Upload a state dict ({', '.join(SUFFIXES)}) of a torchvision architecture, or give "
            "its path. Files are read without running any code in them.",
            icon=":material/upload_file:",
        )
        return None
    if architecture == DETECT:
        with st.spinner("Looking for the architecture that fits …"):
            architecture = detect_architecture(path)
        st.caption(f":green-badge[:material/check: {architecture}] fits these weights.")
    return ModelSpec.checkpoint(architecture, path, **options)


def _pick_preprocessing(architecture: str, disabled: bool) -> dict[str, object]:
    """The optional part of `ModelSpec.checkpoint`; raises ModelError for what is no number."""
    fixed = {"disabled": disabled, **KEEP}
    _receive("Class names", NAME_SUFFIXES, MAX_FILE_BYTES, "model_names", disabled)
    names = st.text_input(
        "or the path of the class names on the server",
        key="model_names",
        placeholder="from the weights file, or ImageNet's for 1000 classes",
        help="One name per line, numbered or not, CSV, JSON or a Python dictionary.",
        **fixed,
    ).strip()
    triple_help = "Red, green, blue, for pixels from 0 to 1. Empty: as torchvision's own weights."
    mean = st.text_input(
        "Mean", key="model_mean", placeholder="0.485, 0.456, 0.406", help=triple_help, **fixed
    ).strip()
    std = st.text_input(
        "Standard deviation",
        key="model_std",
        placeholder="0.229, 0.224, 0.225",
        help=triple_help,
        **fixed,
    ).strip()
    size = st.number_input(
        "Input size (pixels)",
        16,
        2048,
        key="model_size",
        value=None,
        placeholder="as torchvision's own weights",
        **fixed,
    )
    options = {
        "class_names": names or None,
        "mean": parse_triple(mean) if mean else None,
        "std": parse_triple(std) if std else None,
        "input_size": size,
    }
    if architecture in RESCALING and not _rescales(fixed):
        options["transform_input"] = False
    return options


def _rescales(fixed: dict[str, object]) -> bool:
    st.session_state.setdefault("model_rescales", True)
    return st.toggle(
        "Trained with `transform_input`",
        key="model_rescales",
        help="On for networks fine-tuned from torchvision's weights, off when trained from "
        "scratch without that option.",
        **fixed,
    )


def _receive(
    label: str, suffixes: tuple[str, ...], max_bytes: int, path_key: str, disabled: bool
) -> bool:
    """An upload that, once kept, fills the path below it; whether a new one has come."""
    upload = st.file_uploader(
        label,
        type=[suffix.removeprefix(".") for suffix in suffixes],
        key=f"{path_key}_upload",
        max_upload_size=max_bytes // 2**20,
        disabled=disabled,
    )
    if upload is None or st.session_state.get(f"{path_key}_received") == upload.file_id:
        return False
    content = upload.getbuffer()
    path = keep_upload(upload.name, content, suffixes=suffixes, max_bytes=max_bytes)
    st.session_state[path_key] = str(path)
    st.session_state[f"{path_key}_received"] = upload.file_id
    return True


def _pick_device(disabled: bool) -> str:
    devices = available_devices()
    if st.session_state.get("model_device") not in devices:
        st.session_state["model_device"] = devices[0]
    if len(devices) == 1:
        return devices[0]
    return st.selectbox("Device", devices, key="model_device", disabled=disabled, **KEEP)


def _millions(entry: CatalogEntry) -> str:
    return f"{entry.parameters / 1e6:.1f} M"


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
