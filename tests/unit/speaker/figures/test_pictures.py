from pathlib import Path

import numpy as np
import pytest

from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.speaker.boundaries.found import Found
from scripts.speaker.boundaries.listing import read_listing
from scripts.speaker.boundaries.result import result_content
from scripts.speaker.figures.pictures import draw_figures
from tests.unit.speaker.figures.made import boundary, voices

NAMES = ("boundary_detection_visualization", "similarity_matrix", "uncertain_boundaries", "collection")


def dataset(folder: Path, lengths: list[int]) -> dict[str, Path]:
    """A dataset with its boundaries where they are, its files' names odd."""
    rows = voices(lengths)
    names = [f"录音 $x_{row}$/^{row}.wav" for row in range(len(rows))]
    np.save(folder / "embeddings.npy", rows)
    files, table = folder / "files.csv", folder / "embeddings.csv"
    files.write_text("relative_path,row\n" + "".join(f"{name},{row}\n" for row, name in enumerate(names)))
    table.write_text("row,relative_path,duration\n" + "".join(f"{row},{name},1.5\n" for row, name in enumerate(names)))
    found = Found(len(rows), tuple(map(boundary, np.cumsum(lengths)[:-1].tolist())), "changepoint", {})
    atomic_files.write_json(folder / "result.json", result_content(found, read_listing(files), notes=[]))
    return {"embeddings": folder / "embeddings.npy", "files": files, "table": table, "result": folder / "result.json"}


def draw(
    paths: dict[str, Path], to: Path, *, names: tuple[str, ...] = NAMES, evaluation: Path | None = None
) -> dict[str, bytes]:
    figures = {name: to / f"{name}.png" for name in names}
    draw_figures(**paths, figures=figures, title="speaker $studio$", evaluation=evaluation)
    assert sorted(path.name for path in to.iterdir()) == sorted(path.name for path in figures.values())
    return {name: path.read_bytes() for name, path in figures.items()}


def test_equal_input_gives_equal_bytes_and_a_reference_changes_the_pictures_that_show_it(tmp_path: Path) -> None:
    paths = dataset(tmp_path, [8, 5])
    first = draw(paths, tmp_path / "first")
    assert all(content.startswith(b"\x89PNG") for content in first.values())
    assert draw(paths, tmp_path / "second") == first
    (tmp_path / "evaluation.json").write_text('{"reference_boundaries": [0, 7, 13]}')
    referred = draw(paths, tmp_path / "third", names=NAMES[1:], evaluation=tmp_path / "evaluation.json")
    assert [name for name in NAMES[1:] if referred[name] != first[name]] == [
        "similarity_matrix",
        "uncertain_boundaries",
    ]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("lengths", [[1], [7]])
def test_a_file_alone_and_a_speaker_alone_have_all_pictures_too(tmp_path: Path, lengths: list[int]) -> None:
    assert set(draw(dataset(tmp_path, lengths), tmp_path / "figures")) == set(NAMES)


def test_files_that_do_not_belong_together_are_an_error_that_names_two_of_them(tmp_path: Path) -> None:
    paths = dataset(tmp_path, [3, 2])
    np.save(paths["embeddings"], voices([4]))
    with pytest.raises(JobError, match=r"result.json: is of 5 files, but .*embeddings.npy has 4; run again"):
        draw(paths, tmp_path / "figures")
    assert not (tmp_path / "figures").exists()
