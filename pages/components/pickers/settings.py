"""The sliders of generation: preset, main settings, and the rest behind "Advanced"."""

from __future__ import annotations

import streamlit as st

from protocore.generation.fields import (
    FIELDS,
    FILLS,
    HF_RISES,
    HF_UNITS,
    PARAMETRISATIONS,
    PENALTIES,
    PRECISIONS,
)
from protocore.generation.presets import PRESETS, default_preset, find_preset, matching_preset
from protocore.generation.settings import GenerationSettings

# 0 is "off"; the useful range depends on model and image size, hence five decades.
HF_WEIGHTS = (0.0, *(m * 10.0**e for e in range(5) for m in (1, 1.5, 2, 3, 4, 5, 6, 8)), 100000.0)
IMAGE_SIZES = (None, 96, 112, 128, 160, 192, 224, 256, 299, 320, 384, 448, 512)
_NUMBERS = {"noise": 0.01, "jitter": 0.05, "greyscale": 0.05, "contrast_limit": 0.1}  # and steps
KEEP = {"persist_state": "session"}


def apply_settings(settings: GenerationSettings) -> None:
    """Put `settings` into the controls; call it before they are drawn."""
    end = settings.hf_weight_end
    values = {
        "steps": settings.steps,
        "hf_weight": _nearest(settings.hf_weight),
        "hf_weight_end": None if end is None else _nearest(end),
        "scale": settings.scale,
        "rotation": int(settings.rotation),
        "translation": max(settings.translation),
        "transforms": settings.transforms_per_step,
        "learning_rate": settings.learning_rate,
        "baseline_steps": settings.baseline_steps,
        "averaging": settings.averaging,
        "probability_floor": settings.probability_floor,
        "fill": settings.fill,
        "hf_rise": settings.hf_rise,
        "hf_unit": settings.hf_unit,
        "penalty": settings.hf_penalty,
        "hf_colour": settings.hf_colour,
        "image_size": settings.image_size if settings.image_size in IMAGE_SIZES else None,
        "parametrisation": settings.parametrisation,
        "precision": settings.precision,
        **{name: getattr(settings, name) for name in _NUMBERS},
    }
    for key, value in values.items():
        st.session_state[key] = value


def apply_preset(name: str) -> None:
    """Choose a preset and put its settings into the controls."""
    st.session_state["preset"] = name
    apply_settings(find_preset(name).settings)


def settings_controls(source: str, *, running: bool) -> tuple[GenerationSettings, str]:
    """Draw the controls; returns the settings and the preset's name, "" when they were changed.

    `source` is the classifier's, for the default preset. While a job is running, what cannot
    change in mid-run is disabled. Raises SettingsError.
    """
    if st.session_state.get("settings_source") != source:
        if "preset" not in st.session_state or st.session_state.get("settings_source"):
            apply_preset(default_preset(source).name)
        st.session_state["settings_source"] = source
    preset = find_preset(_preset_control(running))
    st.caption(f"{preset.summary} Tuned on: {preset.tuned_on}.")
    main = _main_controls()
    with st.expander("Advanced", icon=":material/tune:"):
        settings = GenerationSettings(**main, **_advanced_controls(running))
    match = matching_preset(settings)
    if match is None:
        st.button(
            f"Back to “{preset.title}”",
            icon=":material/undo:",
            on_click=apply_preset,
            args=(preset.name,),
            disabled=running and preset.settings.parametrisation != settings.parametrisation,
        )
    return settings, match.name if match else ""


def _preset_control(running: bool) -> str:
    titles = {preset.name: preset.title for preset in PRESETS}
    return st.selectbox(
        "Preset",
        list(titles),
        format_func=titles.get,
        key="preset",
        on_change=lambda: apply_preset(st.session_state["preset"]),
        disabled=running,
        **KEEP,
    )


def _main_controls() -> dict:
    weight = st.select_slider(
        "High-frequency weight",
        HF_WEIGHTS,
        format_func=lambda value: f"{value:g}" if value else "off",
        key="hf_weight",
        help="Smooths the image. More: calmer and more natural, but the class can fade. The paper "
        "gives no value; around 1000 for ImageNet models at 224 px, 10 to 40 for the demo model. "
        "In percent where the unit (Advanced) is the class gradient.",
        **KEEP,
    )
    weight_end = st.select_slider(
        "… at the last step",
        (None, *HF_WEIGHTS[1:]),
        format_func=lambda value: "the same" if value is None else f"{value:g}",
        key="hf_weight_end",
        help="Rising from step to step: the motif forms first and is smoothed later.",
        disabled=not weight,
        **KEEP,
    )
    transforms = _transform_controls()
    steps = st.number_input(
        "Steps :gray[· paper 512]",
        1,
        100_000,
        step=64,
        key="steps",
        help="How long the image is optimised. More: stronger and more detailed.",
        **KEEP,
    )
    return {
        "hf_weight": weight,
        "hf_weight_end": weight_end if weight else None,
        **transforms,
        "steps": int(steps),
    }


def _transform_controls() -> dict:
    """How the views of each step are moved."""
    scale = st.slider(
        "Scale :gray[· paper 0.7–1.3]",
        0.3,
        2.0,
        step=0.05,
        key="scale",
        help="How much each view is shrunk or enlarged. Wider: the object shows at more sizes.",
        **KEEP,
    )
    rotation = st.slider(
        "Rotation :gray[· paper ±180°]",
        0,
        180,
        step=1,
        format="±%d°",
        key="rotation",
        help="How far each view is turned. Small: things stand upright. Large: parts, all around.",
        **KEEP,
    )
    translation = st.slider(
        "Translation :gray[· paper ±0.5]",
        0.0,
        1.0,
        step=0.01,
        key="translation",
        help="How far each view is shifted, as a share of the size. Large: the motif repeats.",
        **KEEP,
    )
    transforms = st.slider(
        "Transforms per step :gray[· paper 1]",
        1,
        16,
        key="transforms",
        help="Views averaged in each step. More: cleaner and steadier, and slower in proportion.",
        **KEEP,
    )
    return {
        "scale": tuple(scale),
        "rotation": float(rotation),
        "translation": (translation, translation),
        "transforms_per_step": transforms,
    }


def _advanced_controls(running: bool) -> dict:
    rate = st.number_input(
        "Learning rate :gray[· paper 0.05]",
        0.001,
        1.0,
        step=0.01,
        format="%.3f",
        key="learning_rate",
        help="Size of each step. Large: bold and noisy. Small: faint and slow.",
        **KEEP,
    )
    averaging = st.number_input(
        "Averaging (steps) :gray[· paper 0]",
        0,
        1000,
        step=8,
        key="averaging",
        help="Shows the average of about the last so many images: removes flicker and grain.",
        **KEEP,
    )
    fill = st.selectbox(
        "Fill outside the moved image",
        FILLS,
        key="fill",
        help="What a view shows beyond the border; it tints the background.",
        **KEEP,
    )
    return {
        "learning_rate": rate,
        "averaging": int(averaging),
        "fill": fill,
        **{name: _number(name, **KEEP) for name in ("noise", "jitter", "greyscale")},
        **_smoothing_controls(),
        **_fixed_controls({"disabled": running, **KEEP}),
    }


def _number(name: str, **state) -> float:
    """A number of the table of settings, by its label, range and help."""
    field = FIELDS[name]
    return st.number_input(
        f"{field.label} :gray[· paper 0]",
        float(field.low),
        float(field.high),
        step=_NUMBERS[name],
        key=name,
        help=field.help,
        **state,
    )


def _smoothing_controls() -> dict:
    """What the high-frequency loss is, and how its weight rises."""
    floor = st.slider(
        "Probability floor :gray[· paper 0]",
        0.0,
        0.99,
        step=0.01,
        key="probability_floor",
        help="Where the class's probability falls below it, a rising high-frequency weight is held "
        "back, for each prototype by itself. 0: never.",
        **KEEP,
    )
    rise = st.selectbox(
        "Rise of the high-frequency weight",
        HF_RISES,
        key="hf_rise",
        help="Steps: evenly from the first to the last. Class: as fast as the probability stays "
        "above the floor, for each prototype by itself.",
        **KEEP,
    )
    unit = st.selectbox(
        "Unit of the high-frequency weight",
        HF_UNITS,
        key="hf_unit",
        help="Absolute: the paper's loss; the right weight differs from model to model. Gradient: "
        "percent of the class gradient, which smooths all models alike; 20 rising to 250 is usual.",
        **KEEP,
    )
    penalty = st.selectbox(
        "High-frequency penalty",
        PENALTIES,
        key="penalty",
        help="Absolute differences keep edges; squared ones blur them and allow faint grain.",
        **KEEP,
    )
    colour = st.number_input(
        "High-frequency colour factor :gray[· paper 0]",
        0.0,
        100.0,
        step=1.0,
        key="hf_colour",
        help="Smooths colours so many times more, apart from brightness. More: calm colours, as in "
        "photographs.",
        **KEEP,
    )
    return {
        "probability_floor": floor,
        "hf_rise": rise,
        "hf_unit": unit,
        "hf_penalty": penalty,
        "hf_colour": float(colour),
    }


def _fixed_controls(fixed: dict) -> dict:
    """What cannot change while a run goes on."""
    baseline = st.number_input(
        "Baseline steps (stage 1, L_pv)",
        0,
        10_000,
        step=16,
        key="baseline_steps",
        help="First balances all classes, so that the start image favours none.",
        **fixed,
    )
    size = st.selectbox(
        "Image size",
        IMAGE_SIZES,
        format_func=lambda size: f"{size} px" if size else "the model's",
        key="image_size",
        help="Larger: more room and repetition, slower.",
        **fixed,
    )
    parametrisation = st.selectbox(
        "Parametrisation",
        PARAMETRISATIONS,
        key="parametrisation",
        help="Pixels: the paper's. Fourier: saturated colours and waves, less natural.",
        **fixed,
    )
    precision = st.selectbox(
        "Precision",
        PRECISIONS,
        key="precision",
        help="Of the network's arithmetic; bfloat16 is faster on some models.",
        **fixed,
    )
    limit = _number("contrast_limit", **fixed)
    return {
        "contrast_limit": limit,
        "baseline_steps": int(baseline),
        "image_size": size,
        "parametrisation": parametrisation,
        "precision": precision,
    }


def _nearest(weight: float) -> float:
    return min(HF_WEIGHTS, key=lambda option: abs(option - weight))
