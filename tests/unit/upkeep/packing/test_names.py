"""What the files of a sample are called in a tar."""

import pytest
from webdataset.tariterators import base_plus_ext

from scripts.upkeep.packing.names import escape, member_names


def own(*files: str) -> dict[str, object]:
    return {"files": dict.fromkeys(files, (1, "0")), "folder_mtime_ns": 1}


def shared(*files: str) -> dict[str, object]:
    return {"files": dict.fromkeys(files, (1, "0"))}


def test_files_of_an_own_folder_are_named_by_it() -> None:
    assert member_names("sample_7_abc", [own("video_input.pkl", "size.json")]) == {
        "video_input.pkl": "sample_7_abc.video_input.pkl",
        "size.json": "sample_7_abc.size.json",
    }


def test_poses_motions_and_repeats_of_a_caption_are_one_sample_without_two_files_of_one_name() -> None:
    files = ["walk.npy", "walk.json", "walk-r2.npy"]
    rows = [shared(*(f"poses/{name}" for name in files), "motions/walk.npy", "motions/walk-r2_features.npy")]
    names = member_names("walk", [*rows, shared("poses/walk.png", "poses/walk-r2.png")])
    assert list(names.values()) == [
        "walk.poses.npy",
        "walk.poses.json",
        "walk.poses-r2.npy",
        "walk.motions.npy",
        "walk.motions-r2_features.npy",
        "walk.poses.png",
        "walk.poses-r2.png",
    ]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("embeddings/ann/b.pkl", "ann%2Fb.embeddings.pkl"),
        ("embeddings/ann/b.wav.pkl", "ann%2Fb%2Ewav.embeddings.pkl"),
        ("embeddings/50%.2E/a.pkl", "50%25%2E2E%2Fa.embeddings.pkl"),
        ("poses/Ein_Männchen_läuft_跑.npy", "Ein_Männchen_läuft_跑.poses.npy"),
        ("upper/no_suffix", "no_suffix.upper"),
    ],
)
def test_dots_slashes_and_percent_signs_of_a_name_do_not_end_it_for_webdataset(file: str, name: str) -> None:
    assert member_names("", [shared(file)]) == {file: name}
    sample, field = base_plus_ext(name)
    assert "/" not in sample
    assert name == f"{sample}.{field}"
    assert field.partition(".")[0] == file.partition("/")[0]


def test_no_two_names_are_escaped_alike() -> None:
    names = ["a.b", "a/b", "a%b", "a%2Eb", "a%2Fb", "a%252Eb", "ab"]
    assert len({escape(name) for name in names}) == len(names)
