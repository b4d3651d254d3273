"""What others publish for UCF-Crime, for a place beside ours: `published.yaml`."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).with_name("published.yaml")
_UCF_CRIME = {"n_listed": 290, "n": 290, "anomalous": 140, "normal": 150}
OTHER_PROTOCOL = "published, other protocol"


@functools.cache
def _read() -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return rows


def published_rows(videos: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Published figures for a test set; none where it is not that of UCF-Crime, whole.

    Args:
        videos: that part of `metrics.json`. Names of datasets are free, but no other test set has these numbers.

    Yields:
        `model`, `auc` and `ap` as fractions, `ap` None where it is not published, and `note`.
    """
    if any(videos[name] != number for name, number in _UCF_CRIME.items()):
        return
    for row in _read():
        features = f", {row['features']}" if row["features"] else ""
        yield {
            "model": row["model"],
            "auc": row["auc"] / 100,
            "ap": None if row["ap"] is None else row["ap"] / 100,
            "note": f"{OTHER_PROTOCOL}{features}; {row['source']}",
        }
