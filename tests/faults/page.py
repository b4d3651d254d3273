"""Keep what tests of faults told, and write docs/reliability.md from all that is kept.

python -m tests.faults.page logs/faults.jsonl   keep what a run told there, then write the page
python -m tests.faults.page                     only write the page again

A run replaces what the tests that ran had told before, and leaves the rest: a run of some tests costs no other row.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results"
PAGE = ROOT / "docs" / "reliability.md"
COUNTS = ("tried", "lost", "doubled", "wrong")

ABOUT = """# Reliability

What was broken on purpose, how often, and what it cost. `make faults` and `make slurm-tests` break all of it again and
write this page; `make faults ARGS='-k kills'` breaks some of it, and the rows of the others stay.

Each row was told by a test that passed. A test passes only where the next run ends as if nothing had happened: the same
files with the same bytes as of an undisturbed run, each sample once in the record and once in the index, no temporary
file left, and nothing to be done when asked once more; or, where a fault takes what no program can make again, where
that is named and costs no other sample.

- **times tried**: how often the fault was made to happen.
- **lost**: samples that were missing in the end from the files, the record or the index.
- **doubled**: samples that were there twice, or were made once more though they were finished.
- **wrong**: samples with other bytes than those of an undisturbed run, or seen half-written under their final names.
"""

# By the words of a fault, the first that fit.
SECTIONS = (
    ("SLURM", ("SLURM: ",), "A one-machine SLURM with fake GPUs (`tests/slurm`)."),
    ("GPUs", ("GPU: ",), "Jobs that ask for devices, which are made up where the machine has none."),
    (
        "Disks and memory",
        ("disk", "memory", "read-only", "refuse"),
        "Small file systems that fill up or let nobody write, disks that refuse, and workers without memory.",
    ),
    (
        "Kills",
        ("kill",),
        "SIGKILL to a job, one of its workers, its process group, or the whole `snakemake` command: what a power cut "
        "leaves but for what was not yet on the disk. Then the same work is asked for again.",
    ),
    (
        "Damage and disturbance",
        ("",),
        "Files that are damaged, replaced or gone, clocks, and runs in each other's way.",
    ),
)

NOT_TRIED = """## Not tried

- A real power cut: SIGKILL loses no byte that the kernel has taken. Files are flushed before they are renamed, and the
  record every 64 rows; a record cut off at any byte is read right. Of a disk that lies about flushing nothing is known.
- A network file system whose server goes away, or that shows one machine what another has replaced: locks between
  machines rest on NFS v4.
- Bits that flip in memory or under a finished file: `verify: digest` and `X_verify` find them, no run does so unasked.
- More than one machine: the SLURM of the tests runs on one, with jobs side by side.
"""


def read_rows(path: Path) -> list[Row]:
    """The lines of a file of rows; none where there is no file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def merged(kept: Iterable[Row], told: Iterable[Row]) -> list[Row]:
    """The rows kept, without those of tests that ran again, and what these told."""
    told = list(told)
    again = {line["ran"] for line in told if "ran" in line}
    rows = [row for row in kept if row["test"] not in again] + [line for line in told if "ran" not in line]
    # One a test, fault and system: the last, should a test have run twice.
    by_name = {(row["fault"], row["systems"], row["test"]): row for row in rows}
    return [by_name[name] for name in sorted(by_name)]


def is_there(test: str) -> bool:
    """Whether a test is still in the tree: what one told that was renamed or dropped, nobody can make again."""
    path, _, name = test.partition("::")
    file = ROOT / path
    return file.exists() and f"def {name.partition('[')[0].rpartition('::')[2]}(" in file.read_text("utf-8")


def keep(told: Path) -> None:
    """Put what a run told to the rows kept under the same name."""
    path = RESULTS / told.name
    rows = [row for row in merged(read_rows(path), read_rows(told)) if is_there(row["test"])]
    RESULTS.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def write_page() -> None:
    """docs/reliability.md from every row kept."""
    rows = [row for path in sorted(RESULTS.glob("*.jsonl")) for row in read_rows(path)]
    by_section: dict[str, list[Row]] = {title: [] for title in ("Kills", *(title for title, _, _ in SECTIONS))}
    for row in rows:
        by_section[section_of(row["fault"])].append(row)
    about = {title: words for title, _, words in SECTIONS}
    parts = [ABOUT, _total(rows)]
    parts += [_section(title, about[title], told) for title, told in by_section.items() if told]
    PAGE.write_text("\n".join([*parts, NOT_TRIED]), "utf-8")


def section_of(fault: str) -> str:
    """The title of the section that a fault stands in."""
    return next(title for title, words, _ in SECTIONS if any(word in fault for word in words))


def _total(rows: Sequence[Row]) -> str:
    tried, lost, doubled, wrong = _sums(rows)
    return f"In all: tried {tried:,} times; lost {lost:,}, doubled {doubled:,}, wrong {wrong:,}.\n"


def _section(title: str, about: str, rows: Sequence[Row]) -> str:
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        fault = row["fault"].removeprefix("SLURM: ").removeprefix("GPU: ")
        grouped.setdefault((fault, row["systems"]), []).append(row)
    lines = [
        f"| {fault} | {systems} | " + " | ".join(f"{count:,}" for count in _sums(same)) + " |"
        for (fault, systems), same in sorted(grouped.items())
    ]
    grid = [
        "| fault | systems | times tried | lost | doubled | wrong |",
        "| --- | --- |" + " ---: |" * len(COUNTS),
        *lines,
    ]
    notes = "".join(f"- {note}\n" for note in sorted({row["note"] for row in rows} - {""}))
    made = "\n".join(f"{line}." for line in sorted({row["made"] for row in rows}))
    return "\n".join([f"## {title}\n", f"{about}\n", *grid, "", *filter(None, [notes, made]), ""])


def _sums(rows: Iterable[Row]) -> list[int]:
    rows = list(rows)
    return [sum(row[count] for row in rows) for count in COUNTS]


def main(arguments: Sequence[str]) -> int:
    """Keep what the named files tell, then write the page."""
    for name in arguments:
        keep(Path(name))
    write_page()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
