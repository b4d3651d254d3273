"""The made-up clips: squares where their annotation says."""

import numpy as np

from scripts.fgclip.data.boxes import box_at
from scripts.fgclip.data.records import Key, Region
from scripts.fgclip.proof.clips import SIDE, Clip, annotation_line, draw_clips, listed

CLIPS = list(draw_clips(24, n_frames=32, seed=(42, 0), first=1))
ANOMALOUS = [clip for clip in CLIPS if clip.spans]


def coloured(clip: Clip) -> list[bool]:
    """Whether each frame has pixels in one of the squares' colours: far more red or blue than anything else."""
    red, green, blue = np.moveaxis(clip.frames.astype(int), -1, 0)
    return (np.maximum(red, blue) - green > 120).any(axis=(1, 2)).tolist()


def region(clip: Clip) -> Region:
    (about,) = listed(clip)["bbox_info"]
    keys = tuple(Key(key["frame"], *key["bbox"], key["enabled"]) for key in about["keyframes"])
    return Region(about["caption"], about["start_frame"], about["end_frame"], keys)


def test_half_of_the_clips_are_normal_and_have_no_square() -> None:
    assert sum(not clip.spans for clip in CLIPS) == 12
    assert all(any(coloured(clip)) == bool(clip.spans) for clip in CLIPS)
    assert all(clip.category == "Normal" for clip in CLIPS if not clip.spans)


def test_a_square_is_there_on_a_quarter_to_a_half_of_the_frames_and_on_no_others() -> None:
    for clip in ANOMALOUS:
        inside = [any(first <= frame < end for first, end in clip.spans) for frame in range(32)]
        assert coloured(clip) == inside
        assert 8 <= sum(inside) <= 16


def test_some_squares_leave_and_come_back() -> None:
    """As boxes do that are switched off and on again (defect D2 of the guide's program: `enabled` ignored)."""
    assert {len(clip.spans) for clip in ANOMALOUS} == {1, 2}


def test_the_keyframes_say_where_the_square_is_on_every_frame() -> None:
    for clip in ANOMALOUS:
        for frame, there in enumerate(coloured(clip)):
            box = box_at(region(clip), frame, bin_frames=None)
            assert (box is not None) == there
            if box:
                assert np.allclose(box, clip.boxes[frame], atol=1e-3)
                x, y = (round((box[0] + box[2]) / 2 * SIDE), round((box[1] + box[3]) / 2 * SIDE))
                red, green, blue = clip.frames[frame, y, x].tolist()
                assert max(red, blue) - green > 120


def test_an_annotation_has_six_fields_two_spaces_apart() -> None:
    lines = [annotation_line(clip) for clip in CLIPS]
    assert all(len(line.split("  ")) == 7 and line.endswith("  \n") for line in lines)
    assert lines[1] == "Normal_Videos_002_x264.mp4  Normal  -1  -1  -1  -1  \n"


def test_another_seed_draws_other_clips_and_the_same_one_the_same() -> None:
    again, other = (next(iter(draw_clips(1, n_frames=32, seed=(seed, 0), first=1))) for seed in (42, 43))
    assert np.array_equal(again.frames, CLIPS[0].frames)
    assert not np.array_equal(other.frames, CLIPS[0].frames)
