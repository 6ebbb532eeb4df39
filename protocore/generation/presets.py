"""Named settings to start from, and what each of them was tuned on."""

from __future__ import annotations

from dataclasses import dataclass

from protocore.errors import SettingsError
from protocore.generation.settings import GenerationSettings

PAPER = GenerationSettings()  # the defaults are the paper's


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings with a name, what they are for and on what they were tuned."""

    name: str  # for links and the command line
    title: str
    summary: str  # one line: what the images look like, what it is good for
    tuned_on: str
    settings: GenerationSettings


PRESETS = (
    Preset(
        name="natural",
        title="Natural",
        summary="Shapes that other networks recognise too, in the colours of photographs.",
        tuned_on="ImageNet MobileNetV2 and EfficientNet-Lite0, 224 px; see assets/METHOD.md",
        settings=PAPER.replace(
            steps=160,
            baseline_steps=0,
            rotation=10.0,
            transforms_per_step=4,
            noise=0.15,
            jitter=0.3,
            greyscale=0.3,
            hf_weight=1.0,
            hf_weight_end=60.0,
            hf_rise="class",
            hf_unit="gradient",
            hf_colour=4.0,
            averaging=32,
            probability_floor=0.95,
            parametrisation="fourier",
            contrast_limit=1.3,
        ),
    ),
    Preset(
        name="demo",
        title="Whole objects",
        summary="Gentle transforms: whole objects the right way up, for robust small models.",
        tuned_on="the demo model, 96 px",
        settings=PAPER.replace(
            steps=192,
            baseline_steps=0,
            scale=(0.8, 1.2),
            rotation=12.0,
            translation=(0.12, 0.12),
            transforms_per_step=2,
            hf_weight=10.0,
            hf_weight_end=40.0,
            averaging=32,
        ),
    ),
    Preset(
        name="paper",
        title="Paper",
        summary="The paper's two stages, 512 steps, widest transforms; weight tuned by us.",
        tuned_on="high-frequency weight on ImageNet MobileNetV2, 224 px; the rest is the paper's",
        settings=PAPER,
    ),
    Preset(
        name="mild",
        title="Mild",
        summary="Weak smoothing: more detail and contrast, less natural inside the network.",
        tuned_on="ImageNet MobileNetV2, 224 px",
        settings=PAPER.replace(
            baseline_steps=0,
            scale=(0.9, 1.1),
            rotation=30.0,
            translation=(0.1, 0.1),
            hf_weight=300.0,
        ),
    ),
    Preset(
        name="none",
        title="No regularisation",
        summary="No transforms, no smoothing: an adversarial pattern, to see what they are for.",
        tuned_on="nothing",
        settings=PAPER.replace(
            baseline_steps=0, scale=(1.0, 1.0), rotation=0.0, translation=(0.0, 0.0), hf_weight=0.0
        ),
    ),
    Preset(
        name="fourier",
        title="Fourier baseline",
        summary="Olah et al. (2017) as in Lucent: Fourier basis, decorrelated colours, no L_hf.",
        tuned_on="as published with Lucent; its transforms are drawn from the same ranges",
        settings=PAPER.replace(
            baseline_steps=0,
            parametrisation="fourier",
            scale=(0.9, 1.1),
            rotation=10.0,
            translation=(0.03, 0.03),
            fill="grey",
            hf_weight=0.0,
        ),
    ),
    Preset(
        name="maco",
        title="MACO baseline",
        summary="Fel et al. (2023): phase alone, magnitude of photographs, crops with noise.",
        tuned_on="as published, with Adam for Nadam and a power law for ImageNet's mean spectrum",
        settings=PAPER.replace(
            steps=256,
            learning_rate=1.0,
            baseline_steps=0,
            parametrisation="maco",
            scale=(2.0, 4.0),
            rotation=0.0,
            translation=(0.75, 0.75),
            fill="reflect",
            transforms_per_step=8,
            noise=0.08,
            hf_weight=0.0,
        ),
    ),
)


def find_preset(name: str) -> Preset:
    """The preset of that name; raises SettingsError naming those that exist."""
    for preset in PRESETS:
        if preset.name == name:
            return preset
    known = ", ".join(preset.name for preset in PRESETS)
    raise SettingsError(f"there is no preset {name!r}; choose one of {known}")


def default_preset(source: str) -> Preset:
    """What a classifier of that source (see Classifier) starts with."""
    return find_preset("demo" if source == "demo" else "natural")


def matching_preset(settings: GenerationSettings) -> Preset | None:
    """The preset with exactly these settings, if there is one."""
    return next((preset for preset in PRESETS if preset.settings == settings), None)
