"""Margins of a model: the definition by hand, CLIP itself before training, and each frame encoded once."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from scripts.fgclip.model.video_clip import VideoClip
from scripts.fgclip.scoring.prompts import PromptSets
from scripts.fgclip.scoring.score_files import VideoScores
from scripts.fgclip.scoring.scorer import VideoScorer, class_vectors, margins
from tests.unit.fgclip.model.networks import pictures, tiny_model, words

PROMPTS = PromptSets(
    {"Square": ("a red square appears",), "Other": ("a surveillance video", "a square")}, ("nothing happens",)
)


@pytest.fixture(scope="module")
def model() -> VideoClip:
    """One whose temporal module does something."""
    model = tiny_model()
    with torch.no_grad():
        model.temporal.gate.fill_(0.5)
        model.region_logit_scale.fill_(1.0)
    return model


def scored(model: VideoClip, frames: NDArray[np.uint8], *, parts: int = 1, **options: Any) -> VideoScores:
    scorer = VideoScorer(model, words(), PROMPTS, **({"num_frames": 4, "top_k": 3, "batch": 4} | options))
    encoded = [scorer.encode(part) for part in np.array_split(frames, parts)]
    return scorer.score(encoded, np.arange(len(frames)) * 16, 16 * len(frames))


def frames(n: int) -> NDArray[np.uint8]:
    return pictures(n).numpy()


def test_a_margin_is_the_logsumexp_of_anomalies_less_the_normal_logit() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5], [-3.0, -3.0, 4.0]])
    by_hand = [np.log(np.exp(1) + np.exp(2)) - 0.5, np.log(2 * np.exp(-3)) - 4]
    assert margins(logits).numpy() == pytest.approx(by_hand)


def test_margins_do_not_saturate_where_probabilities_do() -> None:
    logits = torch.tensor([[60.0, 0.0], [90.0, 0.0]])
    assert logits.softmax(-1)[0, 0] == logits.softmax(-1)[1, 0] == 1.0
    assert margins(logits).tolist() == [60.0, 90.0]


def test_an_untrained_model_scores_as_zero_shot_clip_does() -> None:
    untrained = tiny_model()
    found = scored(untrained, frames(6))
    with torch.no_grad():
        vectors = class_vectors(untrained, words(), PROMPTS)
        pooled = untrained.encode_frames(pictures(6), dense=False, chunk=6).pooled
        logits = untrained.scale() * functional.normalize(pooled, dim=-1) @ vectors.T
    assert found.class_logits == pytest.approx(logits.numpy(), abs=1e-4)
    assert found.global_margins == pytest.approx(margins(logits).numpy(), abs=1e-4)
    assert found.classes == ("Square", "Other", "Normal")


def test_frame_logits_are_the_means_over_the_windows_that_see_the_frame(model: VideoClip) -> None:
    found = scored(model, frames(6))  # windows of 4 frames from 0 and from 2
    with torch.no_grad():
        vectors = class_vectors(model, words(), PROMPTS)
        pooled = model.encode_frames(pictures(6), dense=False, chunk=6).pooled
        windows = torch.stack([pooled[:4], pooled[2:]])
        seen = model.temporal_frames(windows, torch.ones(2, 4, dtype=torch.bool))
        first, second = model.scale() * functional.normalize(seen, dim=-1) @ vectors.T
        logits = torch.cat([first[:2], (first[2:] + second[:2]) / 2, second[2:]])
        whole = model.scale() * model.pool(seen, torch.ones(2, 4, dtype=torch.bool)) @ vectors.T
    assert found.class_logits == pytest.approx(logits.numpy(), abs=1e-4)
    assert found.video_logits == pytest.approx(whole.mean(0).numpy(), abs=1e-4)


def test_the_dense_score_is_the_mean_of_the_largest_margins_of_the_map(model: VideoClip) -> None:
    found = scored(model, frames(5))
    with torch.no_grad():
        dense = model.encode_frames(pictures(5), dense=True, chunk=5).dense
        assert dense is not None
        cosines = torch.einsum(
            "ndhw,kd->nhwk", functional.normalize(dense, dim=1), class_vectors(model, words(), PROMPTS)
        )
    assert found.margin_map == pytest.approx(margins(model.region_scale() * cosines).detach().numpy(), abs=1e-4)
    largest = np.sort(found.margin_map.reshape(5, -1))[:, -3:]
    assert found.dense_margins == pytest.approx(largest.mean(1), abs=1e-6)
    assert scored(model, frames(5), top_k=1000).dense_margins == pytest.approx(found.margin_map.mean((1, 2)), abs=1e-5)


def test_a_video_shorter_than_a_window_is_scored_as_if_the_window_were_as_short(model: VideoClip) -> None:
    short = frames(3)
    assert scored(model, short, num_frames=8).class_logits == pytest.approx(
        scored(model, short, num_frames=3).class_logits, abs=1e-4
    )


def test_a_video_decoded_in_parts_has_the_same_scores(model: VideoClip) -> None:
    whole, parted = scored(model, frames(8)), scored(model, frames(8), parts=2)
    assert np.array_equal(whole.margin_map, parted.margin_map)
    assert np.array_equal(whole.class_logits, parted.class_logits)


def test_each_frame_goes_through_the_network_once_in_batches_of_one_shape(
    model: VideoClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    encode = model.encode_frames
    monkeypatch.setattr(model, "encode_frames", lambda pixels, **how: (seen.append(pixels), encode(pixels, **how))[1])
    given = frames(7)  # four windows of 2
    scored(model, given, num_frames=2)
    assert [tuple(pixels.shape) for pixels in seen] == [(4, 48, 48, 3)] * 2
    assert np.array_equal(torch.cat(seen)[:7].numpy(), given)
    assert not torch.cat(seen)[7:].any()


def test_a_class_vector_is_the_unit_mean_of_its_sentences(model: VideoClip) -> None:
    """By the text tower that training used: defect L9 of the guide's program is that it scores with another one."""
    with torch.no_grad():
        vectors = class_vectors(model, words(), PROMPTS)
        each = model.encode_text(torch.from_numpy(words().encode(PROMPTS.anomalies["Other"])))
    assert vectors.shape == (3, model.dim)
    assert torch.allclose(vectors[1], functional.normalize(each.mean(0), dim=0), atol=1e-6)
