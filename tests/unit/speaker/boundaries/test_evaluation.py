"""scripts/speaker/boundaries/evaluation.py: found boundaries against a reference."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.shared.errors import JobError
from scripts.speaker.boundaries.evaluation import evaluate, match, score_boundaries

FILES = [f"{speaker}/{number}.wav" for speaker in "abc" for number in range(4)]
INDICES = st.lists(st.integers(1, 30), unique=True, max_size=6).map(sorted)


class Dataset:
    """The files that an evaluation reads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        rows = "".join(f"{path},{row}\n" for row, path in enumerate(FILES))
        (root / "files.csv").write_text(f"relative_path,row\n{rows}d/failed.wav,\n")
        self.found([0, 4, 8, 12])

    def found(self, boundaries: list[int]) -> None:
        (self.root / "result.json").write_text(json.dumps({"boundaries": boundaries}))

    def evaluate(self, reference: str) -> dict:
        (self.root / "reference.csv").write_text(reference)
        return evaluate(
            result=self.root / "result.json",
            files=self.root / "files.csv",
            reference=self.root / "reference.csv",
            evaluation=self.root / "evaluation.json",
        )


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path)


def lines(files: list[str] = FILES, head: str = "relative_path,speaker") -> str:
    return "".join(f"{line}\n" for line in [head, *(f"{path},{path[0]}" for path in files)])


def test_true_boundaries_score_one(dataset: Dataset) -> None:
    scores = dataset.evaluate(lines())
    assert scores["tolerances"]["0"] == {"matched": 2, "precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert (scores["mean_absolute_error"], scores["missed"], scores["false"], scores["warnings"]) == (0.0, [], [], [])
    assert (scores["reference_speakers"], scores["detected_speakers"], scores["files"]) == (3, 3, 12)
    assert json.loads((dataset.root / "evaluation.json").read_text()) == scores


def test_the_order_of_the_reference_and_its_other_columns_do_not_count(dataset: Dataset) -> None:
    reference = "speaker,take,relative_path\n" + "".join(f"{path[0]},1,{path}\n" for path in reversed(FILES))
    assert dataset.evaluate("\ufeff" + reference)["tolerances"]["0"]["f1"] == 1.0


def test_a_false_boundary_where_one_speaker_changes_language_is_reported_apart(dataset: Dataset) -> None:
    spoken = "".join(f"{path},ann,{'en' if row < 6 else 'es'}\n" for row, path in enumerate(FILES))
    dataset.found([0, 2, 6, 12])
    scores = dataset.evaluate("relative_path,speaker,language\n" + spoken)
    assert [(place["index"], place.get("changes")) for place in scores["false"]] == [
        (2, None),
        (6, {"language": ["en", "es"]}),
    ]
    assert scores["reference_boundaries"] == [0, 12]
    assert json.loads((dataset.root / "evaluation.json").read_text()) == scores


def test_each_tolerance_has_its_own_scores(dataset: Dataset) -> None:
    dataset.found([0, 5, 6, 8, 12])
    scores = dataset.evaluate(lines())
    assert scores["tolerances"] == {
        "0": {"matched": 1, "precision": 1 / 3, "recall": 1 / 2, "f1": 2 / 5},
        "1": {"matched": 2, "precision": 2 / 3, "recall": 1.0, "f1": 4 / 5},
        "5": {"matched": 2, "precision": 2 / 3, "recall": 1.0, "f1": 4 / 5},
    }
    assert scores["mean_absolute_error"] == 1 / 2


def test_missed_and_false_boundaries_are_named_with_their_files(dataset: Dataset) -> None:
    dataset.found([0, 4, 12])
    missed = dataset.evaluate(lines())["missed"]
    assert missed == [{"index": 8, "last_before": "b/3.wav", "first_after": "c/0.wav"}]
    dataset.found([0, 4, 8, 12])
    reference = "relative_path,speaker\n" + "".join(f"{path},x\n" for path in FILES)
    assert [place["index"] for place in dataset.evaluate(reference)["false"]] == [4, 8]


def test_the_error_counts_missed_boundaries_from_the_nearest_found_place_or_end() -> None:
    assert score_boundaries([0, 100], [0, 10, 60, 100])["mean_absolute_error"] == (10 + 40) / 2
    assert score_boundaries([0, 63, 100], [0, 10, 60, 100])["mean_absolute_error"] == (10 + 3) / 2


@pytest.mark.parametrize(
    ("found", "truth", "precision", "recall", "f1"),
    [([], [], 1, 1, 1), ([5], [], 0, 0, 0), ([], [5], 0, 0, 0), ([5], [5], 1, 1, 1)],
)
def test_nothing_to_find_and_nothing_found_is_right(
    found: list[int], truth: list[int], precision: float, recall: float, f1: float
) -> None:
    scores = score_boundaries([0, *found, 9], [0, *truth, 9])["tolerances"]["0"]
    assert (scores["precision"], scores["recall"], scores["f1"]) == (precision, recall, f1)


@given(found=INDICES, truth=INDICES, tolerance=st.integers(0, 6))
def test_no_pairing_matches_more_boundaries(found: list[int], truth: list[int], tolerance: int) -> None:
    pairs = match(found, truth, tolerance)
    assert all(abs(one - other) <= tolerance for one, other in pairs)
    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)

    def most(left: list[int], right: list[int]) -> int:  # in order: crossing pairs can be uncrossed
        best = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
        for i, j in itertools.product(range(len(left)), range(len(right))):
            paired = best[i][j] + (abs(left[i] - right[j]) <= tolerance)
            best[i + 1][j + 1] = max(paired, best[i][j + 1], best[i + 1][j])
        return best[-1][-1]

    assert len(pairs) == most(found, truth)


@given(found=INDICES, truth=INDICES)
def test_recall_of_one_is_precision_of_the_other_and_more_tolerance_never_hurts(
    found: list[int], truth: list[int]
) -> None:
    forth = score_boundaries([0, *found, 31], [0, *truth, 31])["tolerances"]
    back = score_boundaries([0, *truth, 31], [0, *found, 31])["tolerances"]
    assert [of["precision"] for of in forth.values()] == [of["recall"] for of in back.values()]
    assert forth["0"]["f1"] <= forth["1"]["f1"] <= forth["5"]["f1"]


def test_a_reference_that_misses_files_says_how_many_and_which(dataset: Dataset) -> None:
    with pytest.raises(
        JobError, match=r"reference\.csv: misses 2 of the collection's 12 files, such as a/0.wav, c/3.wav"
    ):
        dataset.evaluate(lines(FILES[1:-1]))
    assert not (dataset.root / "evaluation.json").exists()


def test_a_reference_of_other_paths_shows_one_of_them(dataset: Dataset) -> None:
    with pytest.raises(JobError, match=r"misses 12 .* it names files such as /data/a/0.wav"):
        dataset.evaluate(lines([f"/data/{path}" for path in FILES]))


def test_a_failed_file_may_be_missing_from_the_reference_or_stand_in_it(dataset: Dataset) -> None:
    assert dataset.evaluate(lines([*FILES, "d/failed.wav"]))["warnings"] == []


def test_files_that_the_collection_lacks_are_left_out_with_a_warning(dataset: Dataset) -> None:
    scores = dataset.evaluate(lines([*FILES, "x/1.wav", "x/2.wav"]))
    assert scores["tolerances"]["0"]["f1"] == 1.0
    (warning,) = scores["warnings"]
    assert "2 files not in the collection, such as x/1.wav, x/2.wav" in warning


def test_a_repeated_line_is_a_warning_and_a_contradiction_an_error(dataset: Dataset) -> None:
    (warning,) = dataset.evaluate(lines([*FILES, "a/0.wav"]))["warnings"]
    assert "1 line repeated, such as a/0.wav" in warning
    with pytest.raises(JobError, match=r"line 14: a/0.wav is by z, but by a further up"):
        dataset.evaluate(lines() + "a/0.wav,z\n")


def test_a_speaker_in_two_places_is_two_ranges_and_said(dataset: Dataset) -> None:
    scores = dataset.evaluate(lines().replace(",c", ",a"))
    assert (scores["reference_speakers"], scores["reference_ranges"]) == (2, 3)
    assert scores["tolerances"]["0"]["f1"] == 1.0
    assert "1 speaker with files in places apart, such as a" in scores["warnings"][0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "its first line must be relative_path,speaker"),
        ("a/0.wav,a\n", "its first line must be relative_path,speaker"),
        ("relative_path,speaker\na/0.wav\n", "line 2: no speaker"),
        ("relative_path,speaker\na/0.wav,\n", "line 2: no speaker"),
        ("relative_path,speaker\n,a\n", "line 2: no relative_path"),
        ("relative_path,speaker\n", "misses 12 of the collection's 12 files"),
    ],
)
def test_a_broken_reference_says_what_is_wrong_where(dataset: Dataset, content: str, words: str) -> None:
    with pytest.raises(JobError, match=words):
        dataset.evaluate(content)


def test_a_reference_that_cannot_be_read_is_named(dataset: Dataset) -> None:
    paths = {"result": dataset.root / "result.json", "files": dataset.root / "files.csv"}
    with pytest.raises(JobError, match=r"none\.csv: No such file"):
        evaluate(**paths, reference=dataset.root / "none.csv", evaluation=dataset.root / "evaluation.json")
    (dataset.root / "latin.csv").write_bytes("relative_path,speaker\na/0.wav,Zoë\n".encode("latin-1"))
    with pytest.raises(JobError, match=r"latin.csv: not UTF-8 \(byte 32\)"):
        evaluate(**paths, reference=dataset.root / "latin.csv", evaluation=dataset.root / "evaluation.json")


def test_a_result_of_another_collection_is_refused(dataset: Dataset) -> None:
    dataset.found([0, 4, 99])
    with pytest.raises(JobError, match=r"is of 99 files, but .* has 12"):
        dataset.evaluate(lines())
