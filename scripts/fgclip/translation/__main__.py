"""Translate the Chinese captions of a list: `python -m scripts.fgclip.translation --input X.json --output Y.json`."""

import argparse
import sys
from pathlib import Path

from scripts.fgclip.data.shapes import list_files
from scripts.fgclip.translation.backends import Translator, fill_table, http_service, marian
from scripts.fgclip.translation.rewrite import missing_texts, translate_lists
from scripts.fgclip.translation.table import read_table
from scripts.shared.errors import ConfigError, PolymillError


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.fgclip.translation", description="Translate the Chinese captions of a list."
    )
    parser.add_argument("--input", type=Path, required=True, help="list of videos, in any of its shapes")
    parser.add_argument("--output", type=Path, required=True, help="the list in English")
    parser.add_argument(
        "--table", type=Path, default=Path("translations.tsv"), help="Chinese, tab, English (%(default)s)"
    )
    parser.add_argument("--todo", type=Path, default=Path("todo.tsv"), help="where to write what the table lacks")
    parser.add_argument("--on-missing", choices=("stop", "keep", "drop"), default="stop")
    parser.add_argument(
        "--backend",
        choices=("table", "marian", "http"),
        default="table",
        help="who adds to the table what it lacks, for you to review: nobody, a Marian model, or an HTTP service",
    )
    parser.add_argument("--model", type=Path, help="folder of the Marian model")
    options = parser.parse_args(arguments)
    try:
        lists = list_files(options.input)
        if options.backend != "table":
            _fill(options.table, lists, _translator(options.backend, options.model))
        translate_lists(
            lists,
            options.table,
            translated=options.output,
            report=None,
            todo=options.todo,
            on_missing=options.on_missing,
        )
    except PolymillError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0


def _translator(backend: str, model: Path | None) -> Translator:
    if backend == "http":
        return http_service()
    if model is None:
        raise ConfigError("--backend marian needs --model, the folder of the model")
    return marian(model)


def _fill(table: Path, lists: list[Path], translator: Translator) -> None:
    table.touch()
    missing = missing_texts(lists, read_table(table))
    for refused in fill_table(table, missing, translator):
        sys.stderr.write(f"{refused}\n")


if __name__ == "__main__":
    sys.exit(main())
