"""`method: gmm`: a walk that takes the place where mixtures of both sides are most likely."""

import warnings
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.mixture import GaussianMixture  # type: ignore[import-untyped]

from scripts.speaker.boundaries import cosine
from scripts.speaker.boundaries.found import Found
from scripts.speaker.boundaries.walk import Scores, Window, walk

_DIMENSIONS = 32  # a full covariance on 192 to 256 dimensions is singular
_LEAST_PER_COMPONENT = 5


def find_boundaries(
    embeddings: NDArray[np.float32],
    *,
    segment_size: int = 1000,
    boundary_window: int = 10,
    distance_ratio: float = 1.5,
    gmm_components: int = 2,
    gmm_window: int = 5,
    seed: int = 42,
    debug: bool = False,
) -> Found:
    """Walk through a collection by the likelihood of its files under a mixture for either segment; see `walk`.

    Args:
        embeddings: (n, D) rows of any length in the order of the collection, possibly a memory map.
        segment_size: files that a speaker is expected to have.
        boundary_window: places looked at to either side of the expected one.
        distance_ratio: least squared distance of two speakers, in within-speaker variances, to rely on a boundary.
        gmm_components: of a side's mixture; fewer where it has under 5 files a component.
        gmm_window: files to either side of a place whose likelihood counts.
        seed: of the mixtures' first guess.
        debug: keep the scores of all places.

    Raises:
        ConfigError: the window is as long as a segment.
        JobError: a row is zero or not finite.
    """
    return walk(
        embeddings,
        partial(score_window, components=gmm_components, reach=gmm_window, seed=seed),
        method="gmm",
        segment_size=segment_size,
        boundary_window=boundary_window,
        distance_ratio=distance_ratio,
        debug=debug,
        gmm_components=gmm_components,
        gmm_window=gmm_window,
        seed=seed,
    )


def score_window(window: Window, *, components: int, reach: int, seed: int) -> Scores:
    """Log-likelihood of the files about each place as they stand minus that with the sides swapped.

    Without a mixture (under 5 files on a side, or one that did not converge) the places are rated as `cosine` does.
    """
    sides = (window.left, window.right)
    if min(map(len, sides)) < _LEAST_PER_COMPONENT:
        return Scores(cosine.score_window(window).values, fallback_to_cosine=True)
    known = np.concatenate(sides)
    space = PCA(min(_DIMENSIONS, *known.shape), svd_solver="covariance_eigh").fit(known)
    mixtures = [fit_mixture(space.transform(side), components=components, seed=seed) for side in sides]
    if not all(mixture.converged_ for mixture in mixtures):
        return Scores(cosine.score_window(window).values, fallback_to_cosine=True)
    first = max(0, int(window.places[0]) - reach)
    near = space.transform(window.units[first : window.places[-1] + reach])
    left, right = (mixture.score_samples(near) for mixture in mixtures)
    leads = np.concatenate([[0.0], np.cumsum(left - right)])  # of the left mixture, over the files before each place
    places = window.places - first
    before = leads[places] - leads[np.maximum(places - reach, 0)]
    after = leads[np.minimum(places + reach, len(near))] - leads[places]
    return Scores(before - after)


def fit_mixture(rows: NDArray[np.float32], *, components: int, seed: int) -> GaussianMixture:
    """Fit a mixture with diagonal covariance; of fewer components where there are under 5 rows for each."""
    mixture = GaussianMixture(
        max(1, min(components, len(rows) // _LEAST_PER_COMPONENT)), covariance_type="diag", random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # `converged_` is asked for
        return mixture.fit(rows)
