"""All three methods that find boundaries, and the two that walk: walk.py, cosine.py, gmm.py."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from scripts.shared.errors import ConfigError, JobError
from scripts.speaker.boundaries import gmm
from scripts.speaker.boundaries.job import search
from scripts.speaker.boundaries.options import BoundaryOptions
from scripts.speaker.boundaries.walk import Window

METHODS = ("changepoint", "cosine", "gmm")
WALKING = ("cosine", "gmm")
SIZE = 40


def voices(lengths: list[int], *, seed: int = 0, dim: int = 24, spread: float = 0.3) -> NDArray[np.float32]:
    """Files of random voices, of about `spread` around each."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((len(lengths), dim))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = np.repeat(centres, lengths, axis=0) + rng.standard_normal((sum(lengths), dim)) * spread / np.sqrt(dim)
    return rows.astype(np.float32)


def options(method: str, **changed: object) -> BoundaryOptions:
    return BoundaryOptions(**{"method": method, "segment_size": SIZE, **changed})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def exact() -> NDArray[np.float32]:
    return voices([SIZE] * 5)


@pytest.mark.parametrize("method", METHODS)
def test_speakers_of_the_expected_length_are_found(exact: NDArray[np.float32], method: str) -> None:
    found = search(exact, options(method))
    assert found.indices == [0, 40, 80, 120, 160, 200]
    assert (found.n, found.method) == (200, method)
    assert all(boundary.reliable and boundary.confidence > 0.5 for boundary in found.boundaries)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_indices_ascend_from_nothing_to_all_and_a_search_repeats_itself(method: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = voices(rng.integers(15, 90, 6).tolist(), seed=seed, spread=0.6)
    found = search(rows, options(method))
    assert found.indices[0] == 0
    assert found.indices[-1] == found.n == len(rows)
    assert all(before < after for before, after in pairwise(found.indices))
    assert search(rows, options(method)) == found


@pytest.mark.parametrize("method", METHODS)
def test_lengths_of_rows_and_a_rotated_space_change_no_boundary(exact: NDArray[np.float32], method: str) -> None:
    rng = np.random.default_rng(1)
    rotation, _ = np.linalg.qr(rng.standard_normal((exact.shape[1], exact.shape[1])))
    turned = (exact @ rotation).astype(np.float32)
    longer = exact * rng.uniform(0.01, 100, (len(exact), 1)).astype(np.float32)
    expected = search(exact, options(method)).indices
    assert search(turned, options(method)).indices == expected
    assert search(longer, options(method)).indices == expected


@pytest.mark.parametrize("method", METHODS)
def test_a_memory_map_is_searched_as_an_array_is(exact: NDArray[np.float32], method: str, tmp_path) -> None:
    np.save(tmp_path / "rows.npy", exact)
    assert search(np.load(tmp_path / "rows.npy", mmap_mode="r"), options(method)) == search(exact, options(method))


@pytest.mark.parametrize("method", METHODS)
def test_a_row_without_direction_is_named(exact: NDArray[np.float32], method: str) -> None:
    rows = exact.copy()
    rows[77] = 0
    with pytest.raises(JobError, match="row 77 is zero"):
        search(rows, options(method))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 5, SIZE])
def test_a_small_collection_of_one_speaker_stays_whole(method: str, n: int) -> None:
    assert search(voices([n]), options(method)).indices == [0, n]


@pytest.mark.parametrize("method", WALKING)
def test_a_collection_no_longer_than_a_segment_is_left_whole(method: str) -> None:
    rows = voices([20, 20])
    assert search(rows, options(method)).indices == [0, 40]
    assert search(rows, options("changepoint")).indices == [0, 20, 40]


@pytest.mark.parametrize("method", WALKING)
def test_one_longer_speaker_loses_a_walk_what_follows_and_it_says_so(method: str) -> None:
    rows = voices([40, 40, 62, 40, 40])
    truth = {40, 80, 142, 182}
    assert set(search(rows, options("changepoint")).indices[1:-1]) == truth
    walked = search(rows, options(method, boundary_window=5)).boundaries
    assert [boundary.index for boundary in walked[:2]] == [40, 80]
    assert not {boundary.index for boundary in walked[2:]} & truth
    assert [boundary.reliable for boundary in walked[:2]] == [True, True]
    wrong = [boundary.reliable for boundary in walked[2:]]
    assert sum(wrong) < len(wrong) / 2


@pytest.mark.parametrize("method", WALKING)
def test_each_step_starts_from_the_boundary_before(method: str) -> None:
    walked = search(voices([43, 38, 45, 40]), options(method)).boundaries
    assert [boundary.index for boundary in walked] == [43, 81, 126]
    assert [boundary.theoretical_index for boundary in walked] == [40, 83, 121]


@pytest.mark.parametrize("method", WALKING)
def test_a_boundary_on_the_edge_of_its_window_is_not_reliable(method: str) -> None:
    (inside,) = search(voices([43, 40]), options(method, boundary_window=4)).boundaries
    (edge,) = search(voices([44, 40]), options(method, boundary_window=4)).boundaries
    assert (inside.index, inside.reliable, edge.index, edge.reliable) == (43, True, 44, False)


@pytest.mark.parametrize("method", WALKING)
def test_a_boundary_inside_one_speaker_is_not_reliable(method: str) -> None:
    (boundary,) = search(voices([80]), options(method)).boundaries
    assert boundary.distance_ratio < 1.5
    assert not boundary.reliable


@pytest.mark.parametrize("method", WALKING)
def test_a_boundary_between_voices_too_alike_is_not_reliable(exact: NDArray[np.float32], method: str) -> None:
    apart = [boundary.distance_ratio for boundary in search(exact, options(method)).boundaries]
    strict = search(exact, options(method, distance_ratio=float(np.median(apart)))).boundaries
    assert [boundary.reliable for boundary in strict] == [ratio >= np.median(apart) for ratio in apart]
    assert not all(boundary.reliable for boundary in strict)


@pytest.mark.parametrize("method", WALKING)
def test_only_debug_keeps_the_scores_of_the_whole_window(exact: NDArray[np.float32], method: str) -> None:
    for boundary in search(exact, options(method, debug=True, boundary_window=3)).boundaries:
        assert boundary.theoretical_index is not None
        assert [index for index, _ in boundary.scores] == list(
            range(boundary.theoretical_index - 3, boundary.theoretical_index + 4)
        )
        assert max(boundary.scores, key=lambda score: score[1]) == (boundary.index, boundary.score)
    assert all(boundary.scores == () for boundary in search(exact, options(method)).boundaries)


@pytest.mark.parametrize("method", WALKING)
@pytest.mark.parametrize("window", [SIZE, SIZE + 1])
def test_a_window_as_long_as_a_speaker_is_refused(exact: NDArray[np.float32], method: str, window: int) -> None:
    with pytest.raises(ConfigError, match="boundary_window"):
        search(exact, options(method, boundary_window=window))


@pytest.mark.parametrize("rest", [9, 10, 11, 25])
def test_the_walk_ends_where_no_file_is_left_behind_the_window(rest: int) -> None:
    found = search(voices([40, 40, rest]), options("cosine"))
    assert found.indices == ([0, 40, 80, 80 + rest] if rest > 10 else [0, 40, 80 + rest])


def test_a_walk_looks_at_the_two_segments_alone(exact: NDArray[np.float32]) -> None:
    start = search(exact, options("cosine", debug=True))
    others = np.concatenate([exact[:80], voices([120], seed=9)])
    assert search(others, options("cosine", debug=True)).boundaries[0].scores == start.boundaries[0].scores


def test_the_cosine_score_is_the_mean_cosine_of_both_sides_to_their_centres() -> None:
    rows = voices([9, 11])
    (boundary,) = search(
        rows, BoundaryOptions(method="cosine", segment_size=10, boundary_window=2, debug=True)
    ).boundaries
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    left, right = units[:8].mean(axis=0), units[12:].mean(axis=0)
    left, right = left / np.linalg.norm(left), right / np.linalg.norm(right)
    expected = [(units[:place] @ left).mean() + (units[place:] @ right).mean() for place in range(8, 13)]
    assert [score for _, score in boundary.scores] == pytest.approx(expected, rel=1e-5)
    assert boundary.index == 9


def test_the_mixture_score_is_the_likelihood_lost_by_swapping_the_sides() -> None:
    rows = voices([30, 30])
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    window = Window(units, start=0, theoretical=30, reach=3)
    scores = gmm.score_window(window, components=1, reach=5, seed=0)
    space = gmm.PCA(24, svd_solver="full").fit(np.concatenate([units[:27], units[33:]]))
    projected = space.transform(units)

    def likelihood(side: slice, of: slice) -> float:
        known = projected[side]
        variance = known.var(axis=0) + 1e-6
        deviations = (projected[of] - known.mean(axis=0)) ** 2 / variance + np.log(2 * np.pi * variance)
        return float(-0.5 * deviations.sum())

    left, right = slice(0, 27), slice(33, 60)
    expected = []
    for place in range(27, 34):
        before, after = slice(place - 5, place), slice(place, place + 5)
        correct = likelihood(left, before) + likelihood(right, after)
        expected.append(correct - likelihood(right, before) - likelihood(left, after))
    assert scores.values.tolist() == pytest.approx(expected, rel=1e-3)
    assert not scores.fallback_to_cosine


def test_too_few_files_for_a_mixture_fall_back_to_cosine_and_say_so() -> None:
    rows = voices([12, 12])
    changed = {"segment_size": 12, "boundary_window": 8, "debug": True}
    (mixed,) = search(rows, options("gmm", **changed)).boundaries
    (plain,) = search(rows, options("cosine", **changed)).boundaries
    assert mixed.fallback_to_cosine
    assert not plain.fallback_to_cosine
    assert mixed.scores == plain.scores


@pytest.mark.parametrize("stopped", [(0,), (1,), (0, 1)])
def test_a_mixture_that_does_not_converge_falls_back_to_cosine(
    monkeypatch: pytest.MonkeyPatch, stopped: tuple[int, ...]
) -> None:
    steps = iter([1 if side in stopped else 100 for side in (0, 1)])
    monkeypatch.setattr(
        gmm, "GaussianMixture", lambda *shape, **how: GaussianMixture(*shape, max_iter=next(steps), **how)
    )
    rows = voices([40, 40], spread=0.9)
    (mixed,) = search(rows, options("gmm", debug=True)).boundaries
    (plain,) = search(rows, options("cosine", debug=True)).boundaries
    assert mixed.fallback_to_cosine
    assert mixed.scores == plain.scores


@pytest.mark.parametrize(("files", "components"), [(4, 1), (9, 1), (10, 2), (100, 2)])
def test_a_small_side_has_fewer_components(files: int, components: int) -> None:
    assert gmm.fit_mixture(voices([files], dim=4), components=2, seed=0).n_components == components


def test_another_seed_may_start_the_mixtures_elsewhere_but_the_same_never_does() -> None:
    rows = voices([40, 40], spread=1.0)
    first, again = (search(rows, options("gmm", debug=True, seed=7)) for _ in range(2))
    assert first == again
