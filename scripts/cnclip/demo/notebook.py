"""The notebook of the demo."""

from collections.abc import Sequence

from scripts.shared.notebooks import Cell, notebook_text

_LOADING: tuple[Cell, ...] = (
    (
        "markdown",
        "# {title}\n\nTexts and pictures in one space, with a small model, on a CPU and without a network. Open this "
        "notebook from its folder inside a clone of Polymill, or with `PYTHONPATH` set to one.",
    ),
    (
        "code",
        """import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

here = Path.cwd()
sys.path[:0] = [str(folder) for folder in here.parents if (folder / "scripts" / "cnclip" / "encoder.py").is_file()][:1]

from scripts.cnclip.encoder import load

model = load(here / "model", device="cpu")
print(f"vectors of {model.dim} numbers, pictures of {model.image_size} x {model.image_size} pixels")""",
    ),
    ("markdown", "## The pictures and their captions"),
    (
        "code",
        """rows = [json.loads(line) for line in (here / "examples" / "captions.jsonl").read_text("utf-8").splitlines()]
paths = [here / "examples" / row["picture"] for row in rows]
captions = [row["zh"] for row in rows]
for number, caption in enumerate(captions):
    print(number, caption)


def show(numbers, titles, columns=6):
    lines = -(-len(numbers) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(1.6 * columns, 1.9 * lines), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, number, title in zip(axes.flat, numbers, titles):
        axis.imshow(Image.open(paths[number]).convert("RGB"))
        axis.set_title(title, fontsize=9)
    plt.show()


show(range(len(paths)), range(len(paths)))""",
    ),
    (
        "markdown",
        "## Similarity\n\nEvery row of `texts` and `images` has length 1, so their products are cosines. A light "
        "diagonal means that captions are nearest to their own pictures.",
    ),
    (
        "code",
        """texts, images = model.encode_text(captions), model.encode_image(paths)
similarity = texts @ images.T

figure, axes = plt.subplots(figsize=(6, 5))
drawn = axes.imshow(similarity, cmap="viridis")
axes.set_xlabel("picture")
axes.set_ylabel("caption")
figure.colorbar(drawn, label="cosine")
plt.show()

first = float(np.mean(similarity.argmax(axis=1) == np.arange(len(captions))))
print(f"captions that find their own picture first: {100 * first:.0f} %, by chance {100 / len(captions):.0f} %")""",
    ),
    ("markdown", "## Search\n\nAny text can be asked, not the captions alone."),
    (
        "code",
        """def search(query, n=6):
    print(query)
    scores = (model.encode_text([query]) @ images.T)[0]
    best = np.argsort(-scores, kind="stable")[:n]
    show(best, [f"{number}: {scores[number]:.3f}" for number in best])


search(captions[0])
search(captions[-1])""",
    ),
)
_LANGUAGES: tuple[Cell, ...] = (
    (
        "markdown",
        "## Other languages\n\nThe same questions in the other languages that the examples have. Only a model with "
        "`text_tower: multilingual` has learned them; any other one guesses.",
    ),
    (
        "code",
        """for language in {languages!r}:
    asked = [(number, row[language]) for number, row in enumerate(rows) if language in row]
    found = (model.encode_text([text for _, text in asked]) @ images.T).argmax(axis=1)
    right = float(np.mean(found == [number for number, _ in asked]))
    print(f"{{language}}: {{100 * right:.0f}} % of {{len(asked)}}")

search(asked[0][1])""",
    ),
)
_RESULTS: tuple[Cell, ...] = (
    ("markdown", "## Results\n\nThe comparison of the models on whole splits; `results.csv` has the intervals too."),
    (
        "code",
        """from IPython.display import Markdown

Markdown((here / "results.md").read_text("utf-8"))""",
    ),
)


def notebook(*, title: str, languages: Sequence[str], with_results: bool) -> str:
    """The notebook as text, without outputs; equal arguments give equal text.

    Args:
        title: its heading.
        languages: of the examples' captions, Chinese first.
        with_results: whether `results.md` lies beside it.
    """
    cells = [("markdown", _LOADING[0][1].format(title=title)), *_LOADING[1:]]
    if others := list(languages[1:]):
        cells += [_LANGUAGES[0], ("code", _LANGUAGES[1][1].format(languages=others))]
    if with_results:
        cells += _RESULTS
    return notebook_text(cells)
