"""Steps of the tiny network on made-up batches, alone and in two gloo processes."""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.fgclip.model.clip_folder import random_clip
from scripts.fgclip.model.tokens import word_tokens
from scripts.fgclip.model.video_clip import VideoClip
from scripts.fgclip.training.item_reader import Batch, ReadItem, batch_of
from scripts.fgclip.training.learner import Learner
from scripts.shared.errors import ConfigError, JobError
from scripts.shared.training.processes import Processes, from_environment
from tests.forked import in_processes
from tests.unit.fgclip.training.small_run import options

T, R = 4, 3
TOKENS = word_tokens(["a red square", "a blue disc", "grey"], 16)
CAPTIONS = ("a red square", "grey", "a blue disc", "a red square")


@cache
def untrained() -> VideoClip:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    return VideoClip(random_clip("tiny", TOKENS, seed=3), temporal_layers=1, dropout=0.0)


def learner(among: Processes | None = None, **changed: Any) -> Learner:
    torch.set_num_threads(1)
    return Learner(copy.deepcopy(untrained()), options(**changed), among or Processes.single())


def read(number: int, *, n_frames: int = T, unreadable: str = "") -> ReadItem:
    draws = torch.Generator().manual_seed(number)
    frames = torch.randint(0, 256, (n_frames, 48, 48, 3), dtype=torch.uint8, generator=draws)
    mask = torch.zeros(n_frames, R, dtype=torch.bool)
    mask[:, : 1 + number % 2] = True
    boxes = torch.tensor([0.1, 0.2, 0.6, 0.9]).expand(n_frames, R, 4)
    ids = torch.from_numpy(TOKENS.encode([CAPTIONS[number % 4], "a blue disc", "grey", "a red square"]))
    return ReadItem(f"item{number}", frames, boxes, mask, ids[0], ids[1:] * mask.any(0)[:, None], unreadable)


def batch(*numbers: int) -> Batch:
    return batch_of([read(number) for number in numbers], T)


def gradients(of: Learner) -> dict[str, torch.Tensor]:
    return {name: part.grad.clone() for name, part in of.model.named_parameters() if part.grad is not None}


def step(of: Learner, *batches: Batch, factor: float = 1.0, number: int = 0) -> dict[str, torch.Tensor]:
    of.learn(iter(batches), number, factor)
    return gradients(of)


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max((one[name] - other[name]).abs().max().item() for name in one)


def test_accumulated_batches_count_as_their_mean() -> None:
    """Defects T3 and T4 of the guide's program: accumulation was counted by a fixed 8, or not divided by at all."""
    large = {"max_grad_norm": 1e9}
    once = step(learner(accumulation=1, **large), batch(0, 1, 2, 3))
    thrice = step(learner(accumulation=3, **large), *[batch(0, 1, 2, 3)] * 3)
    assert apart(once, thrice) < 1e-5 * max(part.abs().max().item() for part in once.values())


def test_accumulation_adds_no_wrong_answers() -> None:
    found = learner(accumulation=2).learn(iter([batch(0, 1, 2, 3)] * 2), 0, 1.0)
    assert found.chance_global == pytest.approx((2 * math.log(4) + 2 * math.log(2)) / 4)  # one caption stands twice
    assert found.n_videos == 8


def test_chunks_of_frames_change_nothing_but_rounding() -> None:
    assert apart(*(step(learner(accumulation=1, frame_chunk=size), batch(0, 1, 2, 3)) for size in (3, 100))) < 1e-5


def test_boxes_decide_what_a_region_is() -> None:
    """Defect L1 of the guide's program: regions were whole frames, whatever their boxes."""
    whole = batch(0, 1, 2, 3)
    moved = replace(whole, boxes=whole.boxes * 0.5)
    seen = [learner(accumulation=1).measure(of) for of in (whole, moved)]
    assert seen[0].loss_global == seen[1].loss_global
    assert abs(seen[0].loss_region - seen[1].loss_region) > 1e-4


def test_a_box_is_laid_on_the_map_of_its_own_video_and_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect L7 of the guide's program: boxes of B videos were laid on B x T maps, and a list without any broke it."""
    of, seen = learner(), []
    cut = of.model.regions
    monkeypatch.setattr(of.model, "regions", lambda *given: seen.append(given) or cut(*given))
    items = [read(0), read(1, n_frames=2), read(2, n_frames=3), read(3)]
    whole = batch_of(items, T)
    of.measure(whole)
    ((maps, boxes, mask),) = seen
    assert maps.shape[:2] == boxes.shape[:2] == (4, T)
    assert torch.equal(boxes, whole.boxes)
    assert torch.equal(mask, whole.box_mask)
    for video, item in enumerate(items):
        for frame, picture in enumerate(item.frames):
            with torch.no_grad():
                alone = of.model.encode_frames(picture[None], dense=True, chunk=1).dense
            assert torch.allclose(maps[video, frame], alone[0], atol=1e-5)
        assert not maps[video, len(item.frames) :].any()
        assert not mask[video, len(item.frames) :].any()


@pytest.mark.parametrize(("weight", "boxed", "wanted"), [(0.5, True, True), (0.5, False, False), (0.0, True, False)])
def test_the_dense_map_is_made_where_it_is_used_alone(
    weight: float, boxed: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defect L8 of the guide's program: dense maps and short texts were computed and thrown away."""
    of, asked = learner(region_weight=weight), []
    encode = of.model.encode_frames
    monkeypatch.setattr(
        of.model, "encode_frames", lambda *given, **named: asked.append(named["dense"]) or encode(*given, **named)
    )
    whole = batch(0, 1, 2, 3)
    of.measure(whole if boxed else replace(whole, box_mask=torch.zeros_like(whole.box_mask)))
    assert asked == [wanted]


def test_an_item_that_was_left_out_has_no_part_in_loss_and_gradient() -> None:
    spoilt = [read(0), read(1), read(2), read(3, n_frames=1, unreadable="gone")]
    found = batch_of(spoilt, T)
    other = batch_of([*spoilt[:3], read(7, n_frames=1, unreadable="gone")], T)
    one, two = (step(learner(accumulation=1), of) for of in (found, other))
    assert apart(one, two) < 1e-6
    assert learner().measure(found).n_videos == 3


def test_a_short_item_is_padded_without_effect() -> None:
    short = [read(number, n_frames=2) for number in range(4)]
    assert learner().measure(batch_of(short, 2)).loss == pytest.approx(learner().measure(batch_of(short, T)).loss)


def test_the_temperature_at_its_limit_can_come_down() -> None:
    """Defects N1 and N2 of the guide's program: one scale could not move, the other had no limit."""
    of = learner(accumulation=1)
    with torch.no_grad():
        of.model.logit_scale.fill_(math.log(100) + 1)
        of.model.region_logit_scale.fill_(math.log(100) + 1)
    step(of, batch(0, 1, 2, 3))  # is back at the limit after it
    assert of.scales["logit_scale"] == pytest.approx(math.log(100))
    for number in range(1, 4):
        step(of, batch(0, 1, 2, 3), number=number)
    assert max(of.scales.values()) < math.log(100) - 1e-3


def test_in_bf16_weights_stay_fp32_and_all_of_them_move() -> None:
    """Defect N1 of the guide's program: weights in bf16, of which one in fifteen ever changed."""
    of = learner(precision="bf16", accumulation=1, new_lr=1e-4, lr=5e-6, text_lr=5e-6)
    before = {name: part.detach().clone() for name, part in of.model.named_parameters()}
    step(of, batch(0, 1, 2, 3))
    assert {part.dtype for part in of.model.parameters()} == {torch.float32}
    changed = {name: (part != before[name]).float().mean().item() for name, part in of.model.named_parameters()}
    assert changed["clip.visual_projection.weight"] > 0.95
    assert changed["clip.vision_model.encoder.layers.0.mlp.fc1.weight"] > 0.95


def test_a_loss_that_is_no_number_ends_the_training_with_step_items_and_parts() -> None:
    """Defect N6 of the guide's program: the library's log hid it."""
    of = learner(accumulation=1)
    with torch.no_grad():
        of.model.clip.visual_projection.weight[0, 0] = math.nan
    with pytest.raises(JobError, match=r"step 8: the loss is nan \(loss_global nan.*item0, item1.*lower lr"):
        step(of, batch(0, 1, 2, 3), number=7)


def test_long_gradients_are_cut() -> None:
    found = gradients_length(step(learner(accumulation=1, max_grad_norm=0.01), batch(0, 1, 2, 3)))
    assert found == pytest.approx(0.01, rel=1e-3)


def gradients_length(of: dict[str, torch.Tensor]) -> float:
    return math.sqrt(sum(float(part.square().sum()) for part in of.values()))


def test_each_part_learns_at_its_rate_and_all_follow_the_factor() -> None:
    """Defect N4 of the guide's program: what was new learnt at 5e-6."""
    of = learner(accumulation=1, lr=1e-3, text_lr=2e-3, new_lr=3e-3)
    step(of, batch(0, 1, 2, 3), factor=0.5)
    rates = {group["name"].removesuffix("_undecayed"): group["lr"] for group in of.optimizer.param_groups}
    assert rates == {"vision": 5e-4, "text": 1e-3, "new": 1.5e-3}


def test_with_finetune_none_only_what_is_new_learns() -> None:
    of = learner(finetune="none", accumulation=1)
    pooled = torch.randn(4 * T, 64, generator=torch.Generator().manual_seed(0))
    frozen = replace(batch(0, 1, 2, 3), frames=pooled)
    before = {name: part.detach().clone() for name, part in of.model.named_parameters()}
    measured = of.learn(iter([frozen]), 0, 1.0)
    moved = {name for name, part in of.model.named_parameters() if not torch.equal(part, before[name])}
    assert moved
    assert all(name.startswith(("temporal.", "pooling.")) or name == "clip.logit_scale" for name in moved)
    assert measured.loss_region == 0


def failing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> Learner:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    of = learner(accumulation=1)
    monkeypatch.setattr(of.model, "encode_frames", fails)
    return of


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("no more 9 GiB"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 GiB")],
)
def test_memory_that_runs_out_is_told_with_what_helps(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JobError, match=r"memory ran out .*9 GiB.*frame_chunk \(8\).*num_frames \(4.*now 4 x 1"):
        step(failing(error, monkeypatch), batch(0, 1, 2, 3))


@pytest.mark.parametrize("error", [RuntimeError("a defect"), NotImplementedError("another")])
def test_other_errors_are_not_taken_for_memory(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(type(error), match=str(error)):
        step(failing(error, monkeypatch), batch(0, 1, 2, 3))


def test_weights_and_optimizer_go_on_to_the_same_bits() -> None:
    one = learner(accumulation=1)
    step(one, batch(0, 1, 2, 3))
    saved = copy.deepcopy(one.checkpoint())
    step(one, batch(4, 5, 6, 7), number=1)
    other = learner(accumulation=1)
    other.restore(saved, where="there")
    step(other, batch(4, 5, 6, 7), number=1)
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True))


def test_weights_of_another_model_are_refused() -> None:
    saved = learner().checkpoint()
    saved["model"].pop("temporal.gate")
    with pytest.raises(ConfigError, match=r"there: holds the weights of another model"):
        learner().restore(saved, where="there")
    with pytest.raises(ConfigError, match=r"there: its optimizer learns other parts"):
        learner(finetune="none").restore(learner().checkpoint(), where="there")


def two(out: Path) -> None:
    torch.set_num_threads(1)
    with from_environment(lambda _: torch.device("cpu")) as processes:
        own = (0, 1) if processes.first else (2, 3)
        of = learner(processes, processes=2, accumulation=2)
        batches: Iterator[Batch] = iter([batch(*own), batch(*(number + 4 for number in own))])
        measured = of.learn(batches, 0, 1.0)
        torch.save([gradients(of), measured._asdict()], out / f"{processes.rank}.pt")


def test_two_processes_are_as_one(tmp_path: Path) -> None:
    """Defects L5 and L6 of the guide's program: regions were not compared over processes."""
    assert in_processes(2, lambda: two(tmp_path)) == [0, 0]
    of = learner(accumulation=2)
    alone = of.learn(iter([batch(0, 1, 2, 3), batch(4, 5, 6, 7)]), 0, 1.0)
    for rank in range(2):
        found, measured = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert apart(found, gradients(of)) < 1e-6
        assert measured == pytest.approx(alone._asdict(), rel=1e-5)
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True)[0] for rank in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
