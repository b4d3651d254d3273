"""All pictures of a dataset's boundaries, from its files."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.shared.figures.style import to_png
from scripts.speaker.array_files import read_array
from scripts.speaker.boundaries.listing import read_listing
from scripts.speaker.figures.collection import collection_figure
from scripts.speaker.figures.matrix import matrix_figure
from scripts.speaker.figures.overview import overview_figure
from scripts.speaker.figures.projection import project
from scripts.speaker.figures.recordings import read_durations, reference_boundaries
from scripts.speaker.figures.segmentation import read_segmentation
from scripts.speaker.figures.similarity import adjacent_similarity, block_means, even_edges
from scripts.speaker.figures.uncertain import close_ups, least_certain, uncertain_figure

_FILES_PROJECTED = 20_000
_BLOCKS = 512


def draw_figures(
    *,
    embeddings: Path,
    files: Path,
    table: Path,
    result: Path,
    figures: Mapping[str, Path],
    title: str,
    evaluation: Path | None,
) -> None:
    """Draw a dataset's speakers and boundaries; equal input gives equal bytes.

    Args:
        embeddings: `embeddings.npy`, (n, D) float32, read as a memory map.
        files: `files.csv`: relative_path, row.
        table: `embeddings.csv`: row, relative_path, duration.
        result: `speaker_boundary_detection_result.json`.
        figures: the PNG files of `boundary_detection_visualization`, `similarity_matrix`, `uncertain_boundaries` and
            `collection`, or of some of them.
        title: the dataset in words: `speaker studio`.
        evaluation: `evaluation.json`, where there is a reference.

    Raises:
        JobError: the files are damaged or do not belong together.
    """
    found = read_segmentation(result)
    rows = read_array(embeddings)
    shown = least_certain(found.boundaries)
    paths, durations = read_listing(files).paths, read_durations(table)
    for file, length in ((embeddings, len(rows)), (files, len(paths)), (table, len(durations))):
        if length != found.n:
            raise JobError(f"{result}: is of {found.n:,} files, but {file} has {length:,}; run again")
    if evaluation is not None:
        found = replace(found, reference=reference_boundaries(evaluation))
    beside = [row for number in shown for row in (found.indices[number + 1] - 1, found.indices[number + 1])]
    names = {row: paths[row] for row in beside}
    del paths  # a million of them are 120 MB

    def overview() -> Figure:
        projection = project(rows, n_files=_FILES_PROJECTED, n_components=4)
        return overview_figure(found, projection, adjacent_similarity(rows), title=title)

    def matrix() -> Figure:
        return matrix_figure(found, block_means(rows, even_edges(found.n, _BLOCKS)), title=title)

    def uncertain() -> Figure:
        return uncertain_figure(found, close_ups(rows, found, shown), names, title=title)

    drawn: dict[str, Callable[[], Figure]] = {
        "boundary_detection_visualization": overview,
        "similarity_matrix": matrix,
        "uncertain_boundaries": uncertain,
        "collection": lambda: collection_figure(found, durations, title=title),
    }
    for name, path in figures.items():
        with threadpool_limits(1):  # threads change the last bits of a sum
            content = to_png(drawn[name]())
        atomic_files.write_bytes(path, content)
