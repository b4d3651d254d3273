"""The bench frame keeps each table and writes one page from all that are kept."""

import json
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import run
from tests.bench.table import NotMeasured, Table

TABLE = Table(
    title="Made up",
    about="What it is.",
    columns=["clips", "seconds", "wrong"],
    rows=[["short", 0.12345, 0], ["long", 12.3456, None]],
    notes=["One thing to know."],
    versions={"peer": "1.2"},
)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(run, "PAGE", tmp_path / "benchmarks.md")
    run.keep("madeup", TABLE)
    run.write_page()
    return tmp_path / "benchmarks.md"


def test_the_page_shows_each_table_and_how_to_make_it_again(page: Path) -> None:
    text = page.read_text()
    assert "## Made up\n\n    python -m tests.bench.run madeup\n\nWhat it is.\n" in text
    assert "| short | 0.123 | 0 |\n| long | 12.35 |  |\n" in text
    assert "- One thing to know.\n" in text
    assert "peer 1.2" in text


def test_a_record_names_the_kind_of_machine_and_no_machine(page: Path) -> None:
    record = json.loads((page.parent / "results" / "madeup.json").read_text())
    assert set(record["machine"]) == {"cpu", "cores", "ram_gib"}
    assert platform.node() not in json.dumps(record)
    assert str(page.parent) not in page.read_text()


def test_a_bench_that_cannot_run_here_is_shown_as_not_measured_and_never_hides_a_measurement(page: Path) -> None:
    found = NotMeasured(replace(TABLE, rows=[]), "no GPU answers")
    for name, text in (
        ("gpu", "What it is.\n\n- Not measured: no GPU answers.\n"),
        ("madeup", "| short | 0.123 | 0 |"),
    ):
        run.keep_unmeasured(name, found)
        run.write_page()
        assert text in page.read_text().partition(f"tests.bench.run {name}\n")[2].partition("## ")[0]


def test_an_unknown_bench_is_named_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["nonsense"]) == 2
    assert "nonsense; there are: " in capsys.readouterr().err
    modules = run.benches()
    assert modules["decode"] == "tests.bench.bench_decode"
    assert modules["embedding"] == "tests.bench.speaker.bench_embedding"
    assert modules["cnclip_training_gpu"] == "tests.bench.cnclip.bench_cnclip_training_gpu"


@pytest.mark.parametrize("name", [name for name in run.benches() if name.endswith("_gpu")])
def test_a_bench_of_a_gpu_is_on_the_page_measured_or_not(name: str) -> None:
    table = json.loads((run.RESULTS / f"{name}.json").read_text(encoding="utf-8"))["table"]
    section = run.PAGE.read_text(encoding="utf-8").partition(f"    python -m tests.bench.run {name}\n")[2]
    said = section.partition("\n## ")[0]
    assert all(note in said for note in table["notes"])
    assert bool(table["rows"]) != ("- Not measured: " in said)
