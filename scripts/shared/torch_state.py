"""Whether weights are those of a net. Imports torch."""

from collections.abc import Mapping

from torch import Tensor

from scripts.shared.errors import ConfigError


def check_state(wanted: Mapping[str, Tensor], there: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that are not all of a net's, and nothing else.

    Args:
        wanted: the net's `state_dict()`; may be on the meta device.
        there: the weights, by the same names.
        where: the file, as an error should name it.

    Raises:
        ConfigError: a key is missing or unexpected, or a shape is another; names the first.
    """
    for fault, keys in (
        ("missing", [key for key in wanted if key not in there]),
        ("unexpected", [key for key in there if key not in wanted]),
    ):
        if keys:
            others = f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
            raise ConfigError(f"{where}: key {keys[0]!r} is {fault}{others}; these are not the weights of this net")
    for key, value in wanted.items():
        if there[key].shape != value.shape:
            raise ConfigError(
                f"{where}: {key} has the shape {tuple(there[key].shape)}; expected was {tuple(value.shape)}"
            )
