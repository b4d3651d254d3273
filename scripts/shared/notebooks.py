"""Notebooks as the JSON of their format (nbformat 4.5, https://nbformat.readthedocs.io)."""

import json
from collections.abc import Sequence
from typing import Any

Cell = tuple[str, str]  # "markdown" or "code", and its text


def notebook_text(cells: Sequence[Cell]) -> str:
    """A notebook of these cells, without outputs; equal cells give equal text."""
    whole = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "cells": [_cell(number, kind, text) for number, (kind, text) in enumerate(cells)],
    }
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"cell-{number}",
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
