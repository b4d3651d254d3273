"""The command of translation."""

import json
from pathlib import Path

import pytest

from scripts.fgclip.data.shapes import read_items
from scripts.fgclip.translation import __main__ as command
from scripts.fgclip.translation.__main__ import main
from tests.snakemake_run import ROOT

DEMO = ROOT / "tests" / "data" / "demo" / "fgclip"


def arguments(tmp_path: Path, *more: str) -> list[str]:
    return [
        *(
            "--input",
            str(DEMO / "train.txt"),
            "--output",
            str(tmp_path / "en.json"),
            "--todo",
            str(tmp_path / "todo.tsv"),
        ),
        *more,
    ]


def test_the_demo_is_translated_by_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path, "--table", str(DEMO / "translations.tsv"))) == 0
    items = read_items(tmp_path / "en.json")
    assert len(items) == len(read_items(DEMO / "train.txt"))
    captions = {item.caption for item in items} | {region.caption for item in items for region in item.regions}
    assert "Trespassing: people walk across the lawn" in captions
    assert all(caption.isascii() for caption in captions)


def test_a_gap_in_the_table_ends_the_command_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.tsv").touch()
    assert main(arguments(tmp_path, "--table", str(tmp_path / "empty.tsv"))) == 1
    assert "8 texts have no translation" in capsys.readouterr().err
    assert len((tmp_path / "todo.tsv").read_text("utf-8").splitlines()) == 8
    assert not (tmp_path / "en.json").exists()


def test_kept_captions_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "empty.tsv").touch()
    assert main(arguments(tmp_path, "--table", str(tmp_path / "empty.tsv"), "--on-missing", "keep")) == 0
    assert json.loads((tmp_path / "en.json").read_text("utf-8"))[0]["global_caption"] == "闯入异常:有人从草坪上走过"


def test_a_marian_backend_needs_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path, "--table", str(tmp_path / "t.tsv"), "--backend", "marian")) == 1
    assert "--backend marian needs --model" in capsys.readouterr().err


def test_a_translator_fills_the_table_and_what_it_gives_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "http_service", lambda: lambda texts: (f"text {n}" for n, _ in enumerate(texts)))
    table = tmp_path / "new.tsv"
    assert main(arguments(tmp_path, "--table", str(table), "--backend", "http")) == 0
    assert len(table.read_text("utf-8").splitlines()) == 8
    monkeypatch.setattr(command, "marian", lambda folder: lambda texts: (f"{folder.name} 盗窃" for _ in texts))
    more = ("--table", str(tmp_path / "other.tsv"), "--backend", "marian", "--model", "opus", "--on-missing", "keep")
    assert main(arguments(tmp_path, *more)) == 0
    assert "'opus 盗窃' is not all English" in capsys.readouterr().err
