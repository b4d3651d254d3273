"""Recall that others publish, for a place beside ours: `published.yaml`."""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.cnclip.evaluation.recall import DEPTHS

_FILE = Path(__file__).with_name("published.yaml")


@functools.cache
def _read() -> Mapping[str, Any]:
    content: Mapping[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return content


def published_rows(dataset: str) -> Iterator[dict[str, Any]]:
    """Rows of the published table for a data set; none where it is not one of the published ones.

    Args:
        dataset: its name in any spelling, such as `Flickr30k-CN`; what follows it, such as `muge_small`, makes it
            another set.

    Yields:
        `model`, `split`, `direction`, `seen` ("zero-shot" or "fine-tuned"), `r1`, `r5`, `r10` in percent, `source`.
    """
    found = _read()["sets"].get(dataset.lower().replace("-", "").replace("_", ""), {})
    for direction, tables in ((key, value) for key, value in found.items() if key != "split"):
        for seen, rows in tables.items():
            for model, values in rows.items():
                recall = dict(zip((f"r{depth}" for depth in DEPTHS), values, strict=True))
                about = {"model": model, "split": found["split"], "direction": direction, "seen": seen}
                yield {**about, **recall, "source": _read()["source"]}
