"""The demo bundle, and its notebook, which is run."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from scripts.cnclip.demo.bundle import make_bundle, markdown_table
from scripts.cnclip.demo.examples import Split
from scripts.cnclip.demo.notebook import notebook
from scripts.shared.errors import ConfigError, JobError
from tests.snakemake_run import ROOT

COMPARISON = "model,dataset,direction,r1,note\nkl,demo,t2i,44.2,\nbase | old,demo,t2i,27.4,\n"

# The kernel's own sockets are opened below Python.
REFUSE_NETWORK = """
import socket
def refuse(*_):
    raise AssertionError("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, model: Path, split: Split) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    make(folder / "bundle", model, split)
    return folder / "bundle"


def make(target: Path, model: Path, split: Split) -> None:
    comparison, credits = target.parent / "comparison.csv", target.parent / "CREDITS.md"
    comparison.write_text(COMPARISON, encoding="utf-8")
    credits.write_text("made up\n", encoding="utf-8")
    make_bundle(target, model=model, split=split, comparison=comparison, credits=credits, seed=1)


def test_everything_is_in_it_and_the_model_is_a_copy(bundle: Path, model: Path) -> None:
    assert {path.name for path in bundle.iterdir()} == {
        "model", "examples", "demo.ipynb", "README.md", "results.csv", "results.md",
    }  # fmt: skip
    assert files(bundle / "model") == files(model)
    assert (bundle / "examples" / "CREDITS.md").is_file()
    assert "trained on demo. Random weights" in (bundle / "README.md").read_text(encoding="utf-8")


def test_equal_input_gives_equal_bytes_and_what_was_there_is_replaced(
    bundle: Path, model: Path, split: Split, tmp_path: Path
) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "old").touch()
    make(tmp_path / "bundle", model, split)
    assert files(tmp_path / "bundle") == files(bundle)


def test_the_notebook_runs_and_draws_without_a_network(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(bundle.parent / "ipython"))
    book = nbformat.read(bundle / "demo.ipynb", as_version=4)
    nbformat.validate(book)
    book.cells.insert(0, nbformat.v4.new_code_cell(REFUSE_NETWORK))
    client = NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(bundle)}})
    client.execute(env=dict(os.environ))
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5  # pictures, cosines, three searches
    said = "".join(output["text"] for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert "vectors of 64 numbers, pictures of 32 x 32 pixels" in said
    assert "captions that find their own picture first: " in said
    assert "en: " in said
    assert any("| kl | demo |" in output.get("data", {}).get("text/markdown", "") for output in outputs)


def test_a_notebook_without_translations_or_results_does_not_speak_of_them() -> None:
    book = nbformat.reads(notebook(title="x", languages=["zh"], with_results=False), as_version=4)
    nbformat.validate(book)
    text = "".join(cell.source for cell in book.cells)
    assert "results.md" not in text
    assert "multilingual" not in text


def test_a_table_leaves_intervals_and_differences_to_the_csv(tmp_path: Path) -> None:
    names = ["model", "r1", "r1_low", "r1_high", "r1_chance", "r1_minus_baseline", "r1_minus_baseline_low"]
    (tmp_path / "c.csv").write_text(",".join(names) + "\nkl,4,3,5,1,2,1\n", encoding="utf-8")
    assert markdown_table(tmp_path / "c.csv").splitlines()[0] == "| model | r1 | r1_chance |"


def test_a_table_has_no_empty_columns_and_no_bar_breaks_it(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(COMPARISON, encoding="utf-8")
    assert markdown_table(tmp_path / "c.csv") == (
        "| model | dataset | direction | r1 |\n| --- | --- | --- | --- |\n"
        "| kl | demo | t2i | 44.2 |\n| base \\| old | demo | t2i | 27.4 |\n"
    )


def test_an_empty_table_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "c.csv").touch()
    with pytest.raises(JobError, match="is empty"):
        markdown_table(tmp_path / "c.csv")


def test_without_a_model_nothing_is_left(split: Split, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such model folder"):
        make_bundle(tmp_path / "b", model=tmp_path / "none", split=split, comparison=None, credits=None, seed=1)
    assert list(tmp_path.iterdir()) == []
