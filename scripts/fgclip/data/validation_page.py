"""The validator's findings as one HTML page that needs no other file."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from scripts.fgclip.data.item_check import MOST_TOKENS
from scripts.fgclip.data.validation import Problem, Validation
from scripts.shared.index_files import counts

_MOST_ROWS = 200  # of a table of findings; validation.json has all
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1f2429; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } td, th { padding: .25rem .7rem .25rem 0; text-align: left }
th { color: #667078; font-weight: normal; border-bottom: 1px solid #cfd4d9 } td { border-bottom: 1px solid #eceff1 }
td { vertical-align: top; overflow-wrap: anywhere } .n { text-align: right; font-variant-numeric: tabular-nums }
.bar { background: #3b6ea8; height: .7rem } .over { background: #c0492f } .quiet { color: #667078 }
.good { color: #2f7d4f } .name { white-space: nowrap } summary { cursor: pointer; padding: .2rem 0 }
"""


def validation_page(found: Validation, *, title: str) -> str:
    """Write the page.

    Args:
        found: what the validator found.
        title: the dataset in words: `fgclip ucf`.
    """
    records, test = found.records, found.test
    anomalous = sum(item.anomalous for item in records.items), sum(bool(video.intervals) for video in test.videos)
    lines = [
        f"{len(records.items):,} items of {len(records.videos):,} training videos can be used, {anomalous[0]:,} of "
        "them anomalous.",
        f"{len(test.videos):,} of {test.listed:,} test videos can be used, {anomalous[1]:,} of them anomalous.",
    ]
    if found.not_selected:
        lines.append(f"{found.not_selected:,} items are of videos that the option select leaves out.")
    sections = [
        f"<h1>{escape(title)}: the lists and their videos</h1>",
        *(f"<p>{escape(line)}</p>" for line in lines),
        _findings("Errors", found.errors, "Every item and every test video can be used.", opened=True),
        _findings("Warnings", found.warnings, "Nothing else to look at.", opened=False),
        "<h2>What can be used, by class</h2>",
        _classes(found.statistics["classes"]),
        "<h2>Captions by their number of tokens</h2>",
        _tokens(found.statistics),
        "<h2>The clock of the keyframes</h2>",
        _clocks(found.statistics["clocks"]),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(sections)}</body></html>\n'


def _findings(heading: str, problems: Sequence[Problem], none: str, *, opened: bool) -> str:
    """A table a class of findings, which opens at a click."""
    if not problems:
        return f'<h2>{heading}</h2><p class="good">{none}</p>'
    tables = []
    for kind, n in counts(problem.kind for problem in problems).items():
        rows = [
            (f'<span class="name">{escape(problem.item)}</span>', escape(problem.message), escape(problem.place))
            for problem in problems
            if problem.kind == kind
        ]
        more = f'<p class="quiet">and {n - _MOST_ROWS:,} more in validation.json</p>' if n > _MOST_ROWS else ""
        table = _table(("item", "what", "where"), rows[:_MOST_ROWS])
        is_open = " open" if opened else ""
        tables.append(f"<details{is_open}><summary>{escape(kind)}: {n:,}</summary>{table}{more}</details>")
    return f"<h2>{heading}: {len(problems):,}</h2>{''.join(tables)}"


def _classes(classes: Mapping[str, Mapping[str, Any]]) -> str:
    columns = ("items", "anomalous", "videos", "regions", "keyframes")
    rows = [
        (escape(name), *(f"{counted[column]:,}" for column in columns), f"{counted['seconds'] / 60:,.1f}")
        for name, counted in classes.items()
    ]
    sums = [sum(counted[column] for counted in classes.values()) for column in (*columns, "seconds")]
    rows.append(("<b>all</b>", *(f"<b>{value:,}</b>" for value in sums[:-1]), f"<b>{sums[-1] / 60:,.1f}</b>"))
    return _table(("class", *columns, "minutes"), rows, numbers=6)


def _tokens(statistics: Mapping[str, Any]) -> str:
    tokens: Mapping[str, int] = statistics["tokens"]
    most = max(tokens.values(), default=1)
    rows = []
    for low, n in tokens.items():
        over = " over" if int(low) > MOST_TOKENS else ""
        bar = f'<div class="bar{over}" style="width: {40 * n / most:.2f}rem"></div>'
        rows.append((f"{low} to {int(low) + 9}", f"{n:,}", bar))
    chinese = ", ".join(f"{escape(name)} {n:,}" for name, n in statistics["chinese"].items())
    language = f"Chinese: {chinese}." if chinese else "None is Chinese."
    note = f"{statistics['captions']:,} captions of items and regions. CLIP reads {MOST_TOKENS} tokens. {language}"
    return f'<p class="quiet">{note}</p>{_table(("tokens", "captions", ""), rows, numbers=1)}'


def _clocks(clocks: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for clock in clocks:
        rate = clock["annotation_fps"]
        name = "the video's own frames (annotation_fps: null)" if rate is None else f"{rate:g} a second"
        chosen = "as configured" if clock["chosen"] else ""
        rows.append((name, f"{clock['past_the_end']:,} of {clock['items']:,}", chosen))
    note = (
        "Label Studio numbers frames at 24 a second unless it is told the video's rate, and nobody writes into a list "
        "which it was. A clock that leaves items past the end of their videos is the wrong one."
    )
    table = _table(("frames are counted as", "items annotated past the end", ""), rows)
    return f'<p class="quiet">{note}</p>{table}'


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0) -> str:
    """A table of cells in HTML, of which those in the columns from 1 to `numbers` are numbers."""

    def row(tag: str, cells: Sequence[str]) -> str:
        styles = (' class="n"' if 0 < place <= numbers else "" for place in range(len(cells)))
        return "".join(f"<{tag}{style}>{cell}</{tag}>" for style, cell in zip(styles, cells, strict=True))

    body = "".join(f"<tr>{row('td', cells)}</tr>" for cells in rows)
    return f"<table><tr>{row('th', columns)}</tr>{body}</table>"
