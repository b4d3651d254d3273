"""Weights into nets, strictly."""

from collections.abc import Mapping

from torch import Tensor, nn

from scripts.shared.torch_state import check_state

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
    check_state(wanted, there, where)
    cast = {key: there[key].to(value.dtype) for key, value in wanted.items()}
    module.load_state_dict(cast, assign=any(value.is_meta for value in wanted.values()))
