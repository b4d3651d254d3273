"""The nearest of a gallery by exact inner product, block by block, so that millions of rows need no large memory."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GALLERY_ROWS, _QUERY_ROWS = 32_768, 256  # 32 MiB of scores at once
_MARGIN = 16  # more candidates than asked for, so that rounding rarely leaves the order in doubt

Features = NDArray[np.float32]
# (queries (q, d), block (g, d), m) -> ((q, m) places in the block in any order, (q,) least score among them)
Nearest = Callable[[Features, Features, int], tuple[NDArray[np.int64], NDArray[np.float32]]]


def top_k(
    queries: Features,
    gallery: Features,
    k: int,
    *,
    device: str = "cpu",
    gallery_rows: int = _GALLERY_ROWS,
    query_rows: int = _QUERY_ROWS,
) -> NDArray[np.int64]:
    """Find the k rows of a gallery with the largest inner product.

    Float32 products only choose candidates. These are multiplied again in float64, so equal rows get equal scores
    wherever they lie, and the outcome does not depend on blocks, threads or the device.

    Args:
        queries: (n, d) float32, finite; may be a memory map.
        gallery: (N, d) float32, finite, N at least k; may be a memory map.
        k: how many, at least 1.
        device: "cpu" for numpy, else a device of torch.
        gallery_rows: rows of the gallery taken at once.
        query_rows: queries taken at once.

    Returns:
        (n, k) int64 rows of the gallery, best first; of equal scores (as float32) the earlier row comes first.

    Raises:
        ValueError: k is less than 1 or more than N.
    """
    if not 1 <= k <= len(gallery):
        raise ValueError(f"k = {k} of a gallery of {len(gallery)}")
    best_scores = np.full((len(queries), k), -np.inf, np.float32)
    best_rows = np.full((len(queries), k), np.iinfo(np.int64).max, np.int64)
    nearest: Nearest = _nearest_numpy if device == "cpu" else _nearest_torch(device)
    for start, block in _blocks(gallery, gallery_rows):
        largest = float(np.sqrt(np.einsum("gd,gd->g", block, block).max()))
        for at, asked in _blocks(queries, query_rows):
            rows, scores = _candidates(asked, block, k, largest, nearest)
            here = slice(at, at + len(asked))
            all_rows = np.concatenate([best_rows[here], rows + start], axis=1)
            all_scores = np.concatenate([best_scores[here], scores], axis=1)
            order = np.lexsort((all_rows, -all_scores), axis=1)[:, :k]
            best_rows[here] = np.take_along_axis(all_rows, order, 1)
            best_scores[here] = np.take_along_axis(all_scores, order, 1)
    return best_rows


def _blocks(array: Features, rows: int) -> Iterator[tuple[int, Features]]:
    for start in range(0, len(array), rows):
        yield start, np.ascontiguousarray(array[start : start + rows])


def _candidates(
    queries: Features, block: Features, k: int, largest: float, nearest: Nearest
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows of a block among which its k nearest are for sure, and their exact scores: both (q, min(m, g))."""
    m = min(k + _MARGIN, len(block))
    rows, least = nearest(queries, block, m)
    scores = _exact(queries, block[rows])
    if m < len(block):
        # A row left out can be among the k nearest if its float32 product is off by more than the gap to the k-th.
        kth = np.partition(scores, m - min(k, m), axis=1)[:, m - min(k, m)]
        norms = np.sqrt(np.einsum("qd,qd->q", queries, queries))
        error = queries.shape[1] * np.finfo(np.float32).eps * norms * largest
        for doubtful in np.flatnonzero(least + error >= kth):
            rows[doubtful], scores[doubtful] = _row_by_row(queries[doubtful], block, m)
    return rows, scores


def _row_by_row(query: Features, block: Features, m: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The m nearest of a block by exact scores of all its rows."""
    scores = _exact(query[None], block[None])[0]
    order = np.argsort(-scores, kind="stable")[:m]
    return order, scores[order]


def _exact(queries: Features, rows: Features) -> NDArray[np.float32]:
    """(q, m) products of queries (q, d) and rows (q, m, d), summed in float64 and rounded to float32."""
    exact: Features = np.einsum("qd,qmd->qm", queries, rows, dtype=np.float64).astype(np.float32)
    return exact


def _nearest_numpy(queries: Features, block: Features, m: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    scores = queries @ block.T
    rows = np.argpartition(scores, len(block) - m, axis=1)[:, len(block) - m :]
    return rows, np.take_along_axis(scores, rows, 1).min(axis=1)


def _nearest_torch(device: str) -> Nearest:
    import torch

    held: list[Any] = [None, None]  # a block of the gallery and its copy, which serves all queries

    def nearest(queries: Features, block: Features, m: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if held[0] is not block:
            held[:] = block, torch.from_numpy(block).to(device)
        scores = torch.from_numpy(queries).to(device) @ held[1].T
        values, rows = scores.topk(m, dim=1, sorted=False)
        return rows.cpu().numpy(), values.amin(dim=1).cpu().numpy()

    return nearest
