import torch

from scripts.pose.toy.crops import LENGTHS, Crops


def _tracks() -> list[torch.Tensor]:
    """Three clips whose frames say which clip and frame they are."""
    return [
        torch.stack([torch.full((n,), clip), torch.arange(n)], dim=1).float() for clip, n in enumerate((16, 30, 70))
    ]


def test_a_crop_is_consecutive_frames_of_the_clip_that_it_is_said_to_be_of() -> None:
    crops, random = Crops(_tracks()), torch.Generator().manual_seed(0)
    for _ in range(200):
        frames, clips = crops.draw(5, random)
        assert frames.shape[1] in LENGTHS
        assert (frames[:, :, 0] == clips[:, None]).all()
        assert (frames[:, 1:, 1] - frames[:, :-1, 1] == 1).all()


def test_all_clips_lengths_and_places_are_drawn() -> None:
    crops, random = Crops(_tracks()), torch.Generator().manual_seed(0)
    drawn = [
        (frames.shape[1], clips, frames[:, 0, 1]) for frames, clips in (crops.draw(30, random) for _ in range(300))
    ]
    assert {length for length, _, _ in drawn} == set(LENGTHS)
    shortest = [(clips, starts) for length, clips, starts in drawn if length == LENGTHS[0]]
    clips, starts = (torch.cat(list(parts)) for parts in zip(*shortest, strict=True))
    assert torch.bincount(clips).min() > 0.3 * len(clips)  # a third each
    assert set(starts[clips == 2].tolist()) == set(range(70 - LENGTHS[0] + 1))
    assert 0.4 < len(shortest) / len(drawn) < 0.65


def test_no_crop_is_longer_than_the_longest_clip() -> None:
    crops, random = Crops(_tracks()[:2]), torch.Generator().manual_seed(0)
    assert {crops.draw(2, random)[0].shape[1] for _ in range(100)} == {16, 20, 24, 28}
