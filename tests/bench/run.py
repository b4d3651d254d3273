"""Run benches, keep their tables, and write docs/benchmarks.md from all that are kept.

python -m tests.bench.run            all benches
python -m tests.bench.run decode     bench_decode.py alone
python -m tests.bench.run --page     none; only write the page again
"""

import importlib
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.bench.table import NotMeasured, Table

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
LIBRARIES = ("av", "numpy", "onnxruntime", "opencv-python-headless", "snakemake", "soundfile", "torch")


def benches() -> dict[str, str]:
    """Module by name of all benches beside and below this file, in order of names."""
    return {
        path.stem.removeprefix("bench_"): ".".join((__package__, *path.relative_to(HERE).with_suffix("").parts))
        for path in sorted(HERE.rglob("bench_*.py"), key=lambda path: path.stem)
    }


def machine() -> dict[str, str | int]:
    """What the figures depend on, and nothing that names the machine."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    kib = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "ram_gib": round(kib / 2**20)}


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def versions() -> dict[str, str]:
    """Of Python and of the libraries that do the work."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found


def keep(name: str, table: Table) -> None:
    """Store a table with its day, machine and versions."""
    record = {
        "name": name,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {**versions(), **table.versions},
        "table": asdict(table),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def keep_unmeasured(name: str, found: NotMeasured) -> None:
    """Store that a bench could not run, unless it ran before on a machine where it could."""
    path = RESULTS / f"{name}.json"
    if not path.exists() or not json.loads(path.read_text())["table"]["rows"]:
        keep(name, replace(found.table, rows=[], notes=[f"Not measured: {found}."]))


def write_page() -> None:
    """docs/benchmarks.md from every stored table."""
    parts = [
        "# Benchmarks\n\nMeasured, not promised: each table was made by the command above it, on the machine under "
        "it. `make bench` runs all of them and writes this page.\n"
    ]
    parts += [_section(json.loads(path.read_text())) for path in sorted(RESULTS.glob("*.json"))]
    PAGE.write_text("\n".join(parts))


def _section(record: dict[str, Any]) -> str:
    table = record["table"]
    rows = [table["columns"], ["---"] + ["---:"] * (len(table["columns"]) - 1), *table["rows"]]
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    grid = "\n".join(lines) + "\n\n" if table["rows"] else ""  # none where nothing could be measured
    host = record["machine"]
    libraries = ", ".join(f"{library} {version}" for library, version in record["versions"].items())
    made = f"{record['date']}; {host['cpu']}, {host['cores']} cores, {host['ram_gib']} GiB; {libraries}."
    notes = "".join(f"- {note}\n" for note in table["notes"])
    return (
        f"## {table['title']}\n\n    python -m tests.bench.run {record['name']}\n\n{table['about']}\n\n"
        f"{grid}{notes}\n{made}\n"
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"
    return str(value)


def main(arguments: Sequence[str]) -> int:
    """Run the named benches, all without names."""
    modules = benches()
    names = [name for name in arguments if name != "--page"] or ([] if "--page" in arguments else list(modules))
    unknown = sorted(set(names) - set(modules))
    if unknown:
        print(f"no bench {', '.join(unknown)}; there are: {', '.join(modules)}", file=sys.stderr)
        return 2
    for name in names:
        print(f"{name} ...", flush=True)
        try:
            keep(name, importlib.import_module(modules[name]).run())
        except NotMeasured as found:
            print(f"{name}: not measured: {found}")
            keep_unmeasured(name, found)
    write_page()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
