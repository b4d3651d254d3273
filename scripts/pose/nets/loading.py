"""Weights into nets, strictly."""

from collections.abc import Mapping

from torch import Tensor, nn

from scripts.shared.errors import ConfigError

# Of MARDM's checkpoints: the position code is computed, and CLIP's weights come from their own file.
_NOT_OURS = ("position_enc.pe", "clip_model.")


def load_state(module: nn.Module, state: Mapping[str, Tensor], *, where: str) -> None:
    """Give a net its weights, all of them and nothing else.

    A net on the meta device takes the tensors themselves, which costs neither time nor memory when they are mapped
    from a file; any other net copies them.

    Args:
        module: the net.
        state: tensors by the names of upstream's checkpoints; `position_enc.pe` and `clip_model.*` are left out.
        where: the file, and the key in it if there is one, as an error should name them.

    Raises:
        ConfigError: a key is missing or unexpected, or a shape is not the net's; nothing was loaded.
    """
    wanted = module.state_dict()
    there = {key: value for key, value in state.items() if not key.startswith(_NOT_OURS)}
    _check(wanted, there, where)
    cast = {key: there[key].to(value.dtype) for key, value in wanted.items()}
    module.load_state_dict(cast, assign=any(value.is_meta for value in wanted.values()))


def _check(wanted: Mapping[str, Tensor], there: Mapping[str, Tensor], where: str) -> None:
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
