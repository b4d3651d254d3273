"""The rows of a comparison as a table for a paper and as a page."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from scripts.fgclip.evaluation.metrics_file import MEASURES, RATES

# Printed in percent, as the field does; intervals in brackets.
_HEADS = {
    "auc": "AUC",
    "ap": "AP",
    "auc_anomalous": "AUC-A",
    "video_auc": "video AUC",
    "false_alarm_rate": "false alarms",
    "detection_rate": "detected",
    "pointing": "pointing",
    "auc_minus_baseline": "AUC gained",
}
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Comparison: {title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 130em; padding: 0 1em; color: #222; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .3em .7em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }}
th:nth-child(-n+2), td:nth-child(-n+2), td:last-child, th:last-child {{ text-align: left; }}
th[colspan] {{ padding-top: 1.2em; }}
td:last-child {{ white-space: normal; color: #666; min-width: 26em; }}
small {{ color: #777; }} tr.other td {{ color: #666; font-style: italic; }}
</style></head><body><h1>Comparison: {title}</h1>
<p>Percent; in brackets intervals of 95 %, by resampling videos. {note}</p>
<table><thead><tr>{heads}</tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""
_LATEX_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "\\": r"\textbackslash{}",
}


def latex_table(rows: Sequence[Mapping[str, Any]], besides: Sequence[str] = ()) -> str:
    """A LaTeX tabular (package booktabs) of the rows of a comparison, without intervals.

    Args:
        rows: of `comparison.json`.
        besides: further columns.
    """
    shown = _shown(rows)
    heads = ["model", "score", *besides, *(_HEADS[name] for name in shown)]
    lines = [f"\\begin{{tabular}}{{ll{'l' * len(besides)}{'r' * len(shown)}}}", "\\toprule"]
    lines += [" & ".join(map(_latex, heads)) + r" \\", "\\midrule"]
    for row, kind in zip(rows, _new_kinds(rows), strict=True):
        if kind:
            lines += ["\\midrule", f"\\multicolumn{{{len(heads)}}}{{l}}{{\\emph{{{_latex(kind)}}}}}" + r" \\"]
        texts = [_latex(str(row.get(name) or "")) for name in ("model", "score", *besides)]
        lines.append(" & ".join([*texts, *(_percent(row.get(name)) or "--" for name in shown)]) + r" \\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def html_table(rows: Sequence[Mapping[str, Any]], besides: Sequence[str] = (), *, title: str, note: str) -> str:
    """A page of its own with the rows of a comparison, intervals included.

    Args:
        rows: of `comparison.json`.
        besides: further columns.
        title: of the page.
        note: a sentence above the table.
    """
    shown = _shown(rows)
    names = ("model", "score", *besides)
    heads = "".join(f"<th>{escape(head)}</th>" for head in (*names, *(_HEADS[name] for name in shown), "note"))
    lines = []
    for row, kind in zip(rows, _new_kinds(rows), strict=True):
        if kind:
            lines.append(f"<tr><th colspan={len(names) + len(shown) + 1}>{escape(kind)}</th></tr>")
        cells = [f"<td>{escape(str(row.get(name) or ''))}</td>" for name in names]
        cells += [f"<td>{_percent(row.get(name))}{_ends(row, name)}</td>" for name in shown]
        cells.append(f"<td>{escape(row.get('note') or '')}</td>")
        lines.append(f"<tr{' class=other' if row['kind'] != 'measured' else ''}>{''.join(cells)}</tr>")
    return _PAGE.format(title=escape(title), note=escape(note), heads=heads, rows="\n".join(lines))


def _new_kinds(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each row its kind where it begins a new one, which is then written above it; else ""."""
    kinds = [row["kind"] for row in rows]
    return [kind if kind != before else "" for before, kind in zip(kinds[:1] + kinds[:-1], kinds, strict=True)]


def _shown(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the columns of numbers that any row has."""
    names = [*MEASURES, *RATES, "pointing", "auc_minus_baseline"]
    return [name for name in names if any(row.get(name) is not None for row in rows)]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def _ends(row: Mapping[str, Any], name: str) -> str:
    low, high = (row.get(f"{name}{end}") for end in ("_low", "_high"))
    return "" if low is None or high is None else f" <small>[{100 * low:.1f}, {100 * high:.1f}]</small>"


def _latex(text: str) -> str:
    return "".join(_LATEX_SPECIAL.get(character, character) for character in text)
