"""The colours of all charts."""

# Ten colours that stay apart on white, on near-black and for the colour-blind; also in the theme.
COLOURS = (
    "#5b4bdb",
    "#e4572e",
    "#1a936f",
    "#d9a400",
    "#3d8fd1",
    "#b5179e",
    "#6c757d",
    "#7cb518",
    "#8c564b",
    "#17becf",
)
GRID = "rgba(128, 128, 150, 0.22)"
SAME_COLOUR = "#1a936f"
DIFFERENT_COLOUR = "#8a8a99"
BAND_OPACITY = 0.18
# The natural curves have colours of their own, which no prototype takes.
PROTOTYPE_COLOURS = tuple(c for c in COLOURS if c not in (SAME_COLOUR, "#6c757d"))


def prototype_colours(count: int) -> list[str]:
    """A colour for each prototype of a chart; they repeat when there are many."""
    return [PROTOTYPE_COLOURS[i % len(PROTOTYPE_COLOURS)] for i in range(count)]
