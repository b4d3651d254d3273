"""The two halves of a model by the names of the official deployment files. Light."""

from typing import Literal

Side = Literal["img", "txt"]
SIDES: tuple[Side, Side] = ("img", "txt")
INPUTS: dict[Side, str] = {"img": "image", "txt": "text"}
OUTPUTS: dict[Side, str] = {"img": "unnorm_image_features", "txt": "unnorm_text_features"}
