from typing import Any

import pytest

from scripts.fgclip.training.options import run_options
from scripts.shared.errors import ConfigError
from tests.unit.fgclip.training.small_run import OPTIONS, options


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"batch_size": 2}, "batch_size: 2 videos.*take 4 or more"),
        ({"batch_size": 5}, "5 is odd.*take 6"),
        ({"batch_size": 8, "processes": 3}, "shared evenly by 3"),
        ({"finetune": "none", "augment": "flip"}, "augment: none"),
        ({"finetune": "none", "temporal_layers": 0}, "nothing that learns"),
        ({"checkpoints": [1, 3], "epochs": 2}, "epoch 3 of a run of 2"),
    ],
)
def test_options_that_do_not_go_together_are_refused_with_the_mend(changed: dict[str, Any], words: str) -> None:
    """A batch of two is defect L4 of the guide's program: of one video there is no gradient at all."""
    with pytest.raises(ConfigError, match=rf"fgclip\.runs\.test.*{words}"):
        options(**changed)


def test_a_missing_option_is_named() -> None:
    with pytest.raises(ConfigError, match="no option 'lr'"):
        run_options("test", {key: value for key, value in OPTIONS.items() if key != "lr"})


@pytest.mark.parametrize(("said", "steps"), [(0.1, 15), (0.0, 0), (7, 7)])
def test_a_warm_up_below_one_is_a_part_of_all_steps(said: float, steps: int) -> None:
    """Defect T9 of the guide's program: its papers say 50, 200 and 400 steps."""
    assert options(warmup_steps=said).warmup(145) == steps


@pytest.mark.parametrize(("said", "kept"), [("last", []), ("all", [1, 2]), ([3, 1], [1, 3])])
def test_the_epochs_that_are_kept(said: Any, kept: list[int]) -> None:
    assert options(checkpoints=said, epochs=3).kept_epochs(3) == kept


def test_what_only_says_how_a_run_is_made_lets_it_go_on() -> None:
    free = options(num_workers=9, save_steps=3, frame_chunk=1, processes=2, log_steps=7, resume_from_checkpoint="never")
    assert free.what_counts == options().what_counts
    assert options(seed=1).what_counts != options().what_counts
    assert options(resume_from_checkpoint="there.pt").what_counts != options().what_counts


def test_the_control_has_no_region_whose_caption_is_true() -> None:
    assert options().background_region
    assert not options(shuffle_captions=True).background_region
