"""The section of docs/pose.md on the presets, from the kept results of their bench.

python -m tests.bench.pose.presets_section
"""

import re
from pathlib import Path
from typing import Any

from scripts.pose.options import PRESETS
from tests.bench.pose.toy import toy_clips
from tests.bench.scale import results, table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "pose.md"
TITLE = "## Presets and what was measured"
_HEAD = (
    "preset",
    "`sequence_length`",
    "`time_steps`",
    "`cfg`",
    "tokens sampled",
    "in MARDM's order",
    "toy, CPU ms a pose",
    "full size, CPU s a pose",
    "from their clip, cm",
)
_WORDS = """
A preset sets three options that you may also set one by one. `python -m tests.bench.run presets` measured this and more
([benchmarks](benchmarks.md#presets-of-poses)), `python -m tests.bench.pose.presets_section` wrote it here. No official
checkpoint was at hand. Poses are those of the demo's toy, which knows {n} clips, from captions that it never saw; their
distance is that of the joints from the most similar frame of the caption's clip, in the mean. Times are of one thread;
at full size, with random weights, {evaluations} times one evaluation of the denoiser in each step.

{presets}
- `sequence_length` is what costs: each token, of 4 frames, is sampled once.
- `time_steps` cost nothing, and for 16 frames every number from 4 up gives the same bytes (8 frames: from 2; 32: from
  12), since then each step settles one token. MARDM samples all masked tokens in every step and keeps few of them.
- `cfg`: 1 saves half of the work. With it the toy's poses are {cfg_1} cm from their clip, with 3 {cfg_3} cm, with 4.5
  {cfg_4} cm, with 5 {cfg_5} cm; the nearest clip of all is that of the caption for {right_1}, {right_3}, {right_4} and
  {right_5} of {n} captions. MARDM's own nets, which learned far more, may answer otherwise: try it on your captions.
- `solver_steps`: distance of the joints from those of the same pose by 256 steps of midpoint, preset `standard`:

{solvers}"""
_SOLVERS = (
    ("midpoint", "4", "standard, midpoint, 4 steps"),
    ("midpoint", "8", "standard, midpoint, 8 steps"),
    ("midpoint", "16", "standard, midpoint, 16 steps"),
    ("midpoint", "32, the default", "preset standard"),
    ("midpoint", "64", "standard, midpoint, 64 steps"),
    ("rk4", "16", "standard, rk4, 16 steps"),
    ("dopri5", "", "standard, dopri5"),
)


def section(measured: dict[str, dict[str, Any]], n_clips: int) -> str:
    """The whole section.

    Args:
        measured: the bench's rows by their first cell, each by column.
        n_clips: that the toy knows.
    """
    guided = {"1": "standard, cfg 1", "3": "standard, cfg 3", "4": "preset standard", "5": "standard, cfg 5"}
    words = _WORDS.format(
        n=n_clips,
        evaluations=measured["preset standard"]["evaluations"],
        presets=table(_HEAD, [_preset(name, measured[f"preset {name}"]) for name in PRESETS]),
        solvers=table(
            ("`solver`", "`solver_steps`", "evaluations", "distance, cm"),
            [(solver, n, measured[way]["evaluations"], measured[way]["from exact, cm"]) for solver, n, way in _SOLVERS],
        ),
        **{f"cfg_{cfg}": f"{measured[way]['from its clip, cm']:.1f}" for cfg, way in guided.items()},
        **{f"right_{cfg}": measured[way]["own clip nearest"] for cfg, way in guided.items()},
    )
    return TITLE + words


def _preset(name: str, row: dict[str, Any]) -> list[str]:
    once = row["full size, CPU s a pose and evaluation"]
    return [
        f"`{name}`",
        *(str(option) for option in PRESETS[name].values()),
        str(row["tokens, ours"]),
        str(row["tokens, MARDM's"]),
        f"{row['toy, CPU ms a pose']:.1f}",
        f"{once * float(row['evaluations']):.1f}",
        f"{row['from its clip, cm']:.1f}",
    ]


def with_section(page: str, new: str) -> str:
    """The page with this section in the place of the one that it has, or at its end."""
    before, title, after = page.partition(f"{TITLE}\n")
    rest = re.split(r"(?m)^(?=## )", after, maxsplit=1)[1:] if title else []
    return "\n\n".join(part.strip("\n") for part in (before, new, *rest)) + "\n"


if __name__ == "__main__":
    written = section(results("presets"), len(toy_clips()))
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), written), encoding="utf-8")
