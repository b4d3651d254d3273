"""The demo bundle: what to show somebody of a model, in one folder."""

import csv
import shutil
from pathlib import Path

from scripts.cnclip.demo.examples import Split, write_examples
from scripts.cnclip.demo.notebook import notebook
from scripts.cnclip.model_files.folder import read_facts
from scripts.shared.atomic_files import TEMPORARY_PREFIX
from scripts.shared.csv_errors import csv_errors
from scripts.shared.errors import JobError
from scripts.shared.new_folder import new_folder

MODEL, EXAMPLES, NOTEBOOK, README = "model", "examples", "demo.ipynb", "README.md"
RESULTS_CSV, RESULTS_TABLE = "results.csv", "results.md"
_IN_THE_CSV_ALONE = ("_low", "_high", "_minus_baseline")  # ends of names of columns: with them a table fits no page
N_EXAMPLES = 24


def make_bundle(
    target: Path, *, model: Path, split: Split, comparison: Path | None, credits: Path | None, seed: int,
    n_examples: int = N_EXAMPLES,
) -> None:  # fmt: skip
    """Make the folder; equal input gives equal bytes. One that is there is replaced.

    Args:
        target: the folder: `model/`, `examples/`, `demo.ipynb`, `README.md`, and `results.csv` and `results.md` where
            there is a comparison.
        model: model folder of any kind; copied.
        split: whose pictures are the examples.
        comparison: the table of the models (CSV); None for none.
        credits: who made the pictures, copied to `examples/`; None for none.
        seed: of the choice of examples.
        n_examples: how many at most.

    Raises:
        ConfigError: there is no model, or nothing to show.
        JobError: a file is not as it was made.
    """
    facts = read_facts(model)
    with new_folder(target) as made:
        shutil.copytree(model, made / MODEL, ignore=shutil.ignore_patterns(f"{TEMPORARY_PREFIX}*"))
        (made / EXAMPLES).mkdir()
        languages = write_examples(split, made / EXAMPLES, n=n_examples, seed=seed)
        if credits:
            shutil.copyfile(credits, made / EXAMPLES / credits.name)
        if comparison:
            shutil.copyfile(comparison, made / RESULTS_CSV)
            (made / RESULTS_TABLE).write_text(markdown_table(comparison), encoding="utf-8")
        title = f"Chinese CLIP: {facts.name}"
        text = notebook(title=title, languages=languages, with_results=comparison is not None)
        (made / NOTEBOOK).write_text(text, encoding="utf-8")
        words = _readme(title, facts.source, facts.trained_on, results=bool(comparison), credited=credits)
        (made / README).write_text(words, encoding="utf-8")


def markdown_table(path: Path) -> str:
    """A CSV as a table in Markdown, without intervals, differences and columns that are empty in all rows.

    Raises:
        JobError: the file cannot be read, or has no heads of columns.
    """
    with csv_errors(path, JobError, "was the comparison made?"), path.open(encoding="utf-8-sig", newline="") as file:
        heads, *rows = list(csv.reader(file)) or [[]]
    if not heads:
        raise JobError(f"{path}: is empty; remove it and run again: it is made anew")
    shown = [place for place, head in enumerate(heads) if not head.endswith(_IN_THE_CSV_ALONE)]
    used = [place for place in shown if any(place < len(row) and row[place] for row in rows)]
    lines = [[heads[place] for place in used], ["---"] * len(used)]
    lines += [[row[place] if place < len(row) else "" for place in used] for row in rows]
    return "".join("| " + " | ".join(map(_in_cell, line)) + " |\n" for line in lines)


def _in_cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _readme(title: str, source: str, trained_on: tuple[str, ...], *, results: bool, credited: Path | None) -> str:
    seen = ", ".join(trained_on) or "no data set that is known"
    lines = [
        f"# {title}",
        "",
        f"A small model to try out; trained on {seen}. {source[:1].upper()}{source[1:]}".strip(),
        "",
        f'- `{MODEL}/`: the model folder; `load("{MODEL}")` of `scripts.cnclip.encoder` opens it.',
        f"- `{EXAMPLES}/`: pictures, and their captions in `captions.jsonl`"
        + (f"; who made them is in `{credited.name}`." if credited else "."),
        f"- `{NOTEBOOK}`: similarities and a search, step by step. It needs no network: open it from this folder in "
        "a clone of Polymill, or with `PYTHONPATH` set to one.",
    ]
    if results:
        lines.append(f"- `{RESULTS_TABLE}`, `{RESULTS_CSV}`: the measured comparison of the models, recall in percent.")
    return "\n".join(lines) + "\n"
