"""The notebook of an index, which is run."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from scripts.search.encoders import open_encoder
from scripts.search.notebook import notebook
from tests.search_site import indexed, make_files, write_index
from tests.snakemake_run import ROOT

# The kernel's own sockets are opened below Python.
REFUSE_NETWORK = """
import socket
def refuse(*_):
    raise AssertionError("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
"""


def test_the_notebook_finds_pictures_and_seconds_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    results = tmp_path / "results" / "search" / "demo"
    results.mkdir(parents=True)
    make_files(tmp_path / "files")
    encoder = open_encoder("conse", "", {}, device="cpu")
    write_index(results / "assets.db", tmp_path / "files", encoder, indexed(tmp_path / "files", encoder))
    folders = {name: f"files/{name}" for name in ("pictures", "videos")}
    (tmp_path / "mine.yaml").write_text(json.dumps({"search": {"datasets": {"demo": {"folders": folders}}}}))
    (results / "search.ipynb").write_text(notebook(dataset="demo", config="mine.yaml"), encoding="utf-8")

    book = nbformat.read(results / "search.ipynb", as_version=4)
    nbformat.validate(book)
    book.cells.insert(0, nbformat.v4.new_code_cell(REFUSE_NETWORK))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    client = NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(results)}})
    client.execute(env=dict(os.environ))

    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 6  # three searches, two alike, scores
    said = "".join(output["text"] for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert "25 files, " in said
    assert "videos/scenes.mp4: 7 to 11 s, best at 8 s" in said
    first = said.split("a cup of coffee: ")[1].splitlines()[1]
    assert first.endswith("pictures/coffee.heic")
    assert "pictures/animals/cat.jpg pictures/cat_small.jpg" in said


def test_equal_arguments_give_equal_bytes() -> None:
    assert notebook(dataset="a", config="b.yaml") == notebook(dataset="a", config="b.yaml")
