"""Colours of a skeleton's chains: Okabe and Ito's, which colour-blind readers tell apart too."""

from matplotlib.colors import to_rgb

# In the order of `Skeleton.chains`. What is right of the figure is warm, what is left of it is cold.
CHAIN_COLORS = ("#d55e00", "#0072b2", "#404040", "#e69f00", "#56b4e9")
CHAIN_NAMES = ("right leg", "left leg", "spine", "right arm", "left arm")
SPINE = CHAIN_NAMES.index("spine")


def rgb(color: str) -> tuple[int, int, int]:
    """A colour's red, green and blue, 0 to 255."""
    red, green, blue = (round(255 * part) for part in to_rgb(color))
    return red, green, blue
