"""The notebook of an index."""

from scripts.shared.notebooks import Cell, notebook_text

_CELLS: tuple[Cell, ...] = (
    (
        "markdown",
        "# Searching {dataset}\n\nThe same search as the page's, in Python: texts and pictures against the index, on a "
        "CPU and without a network. Open this notebook where it lies, below the folder that snakemake ran in.",
    ),
    (
        "code",
        """import os
import sys
from pathlib import Path

here = Path.cwd()
clone = next(folder for folder in [here, *here.parents] if (folder / "scripts" / "search" / "database.py").is_file())
sys.path.insert(0, str(clone))
os.chdir(clone)  # the configuration's paths begin here

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from scripts.search.encoders import open_encoder
from scripts.search.places import database_file
from scripts.search.query.duplicates import duplicates
from scripts.search.query.engine import Filters, search
from scripts.search.query.load import load
from scripts.search.server.kept_files import KeptFiles
from scripts.search.server.pictures import thumb
from scripts.shared.config import read_config

config, dataset = read_config(Path({config!r})), {dataset!r}
options = config["search"]["datasets"][dataset]
index = load(database_file(config, dataset))
encoder = open_encoder(options["encoder"], options.get("model", ""), config)
assert encoder.identity == index.meta["model_identity"], "made with another model: index again"
print(f"{{len(index)}} files, {{len(index.vectors)}} vectors of {{index.dim}} numbers by {{index.meta['model']}}")""",
    ),
    ("markdown", "## Words\n\nChinese or English. A score is a cosine; what it means differs from model to model."),
    (
        "code",
        """small = KeptFiles(Path(config["work_dir"], "search", dataset, "page", "thumbs"), ".jpg", most_bytes=10**9)


def show(hits, columns=6):
    hits = list(hits)
    lines = max(1, -(-len(hits) // columns))
    figure, axes = plt.subplots(lines, columns, figsize=(2 * columns, 2.1 * lines), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, hit in zip(axes.flat, hits):
        axis.imshow(Image.open(thumb(index, hit.number, small, edge=320, time_s=hit.time)))
        moment = "" if hit.time is None else f" at {{hit.time:g}} s"
        axis.set_title(f"{{hit.score:.3f}}{{moment}}", fontsize=9)
    plt.show()


def find(words, unlike="", n=6, **filters):
    query, *negative = encoder.encode_text([words, unlike] if unlike else [words])
    found = search(index, query, negative=negative[0] if negative else None, filters=Filters(**filters), limit=n)
    print(f"{{words}}: {{found.total}} files")
    hits = list(found.hits)
    for hit in hits:
        print(f"  {{hit.score:.3f}}  {{index.path(hit.number)}}")
    show(hits)
    return hits


cats = find("一只猫")
cups = find("a cup of coffee", unlike="an animal")""",
    ),
    ("markdown", "## Seconds of video\n\nA video is found by its frames; near ones make a segment."),
    (
        "code",
        """for hit in find("摩托车", kind="video"):
    for part in hit.segments:
        print(f"{{index.path(hit.number)}}: {{part.start:g}} to {{part.end:g}} s, best at {{part.time:g}} s")""",
    ),
    ("markdown", "## More like this\n\nThe vector of a file asks for its like; so does that of any picture."),
    (
        "code",
        """show(search(index, index.vector(index.nearest_row(cups[0].number, None)), limit=6).hits)

any_picture = thumb(index, cups[0].number, small, edge=320, time_s=None)
show(search(index, encoder.encode_image([any_picture])[0], limit=6).hits)""",
    ),
    ("markdown", "## Near-equal files"),
    (
        "code",
        """for group in duplicates(index, min_score=0.95):
    print(f"{{group.score:.3f}}", *[index.path(number) for number in group.numbers])""",
    ),
    (
        "markdown",
        "## How the scores lie\n\nOf one query over all vectors: what fits stands out, and the calibrated least score "
        "(a line, where the dataset has captions) is below nineteen of twenty that fit.",
    ),
    (
        "code",
        """scores = np.asarray(index.vectors, np.float32) @ encoder.encode_text(["一杯咖啡"])[0]
figure, axes = plt.subplots(figsize=(7, 3))
axes.hist(scores, bins=40)
if index.min_score is not None:
    axes.axvline(index.min_score, color="tab:red")
axes.set_xlabel("cosine")
axes.set_ylabel("vectors")
plt.show()""",
    ),
)


def notebook(*, dataset: str, config: str) -> str:
    """The notebook as text, without outputs; equal arguments give equal text.

    Args:
        dataset: its name in `search.datasets`.
        config: the configuration's path, as seen from the folder that snakemake runs in.
    """
    return notebook_text([(kind, text.format(dataset=dataset, config=config)) for kind, text in _CELLS])
