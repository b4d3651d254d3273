import json
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from scripts.clip4mc.figures import sources_figure, write_figures
from scripts.shared import layout
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.errors import JobError
from scripts.shared.ledger import LedgerWriter
from scripts.shared.planning.plan_file import closed
from scripts.shared.safe_pickle import dumps

NAMES = ("contact_sheet", "sources", "failures_by_class", "throughput")


def dataset(folder: Path, n_ok: int, n_failed: int = 0, rates: bool = True) -> dict[str, Path]:
    """A dataset whose samples are made, with its index; gives the plan, the index and the figures' files."""
    writer = LedgerWriter(layout.ledger_dir(folder, "frames"), "00000", {})
    tokens = ClipTokenizer.embedded().encode("a red apple")
    keys = [f"sample_{number:06d}_v" for number in range(n_ok + n_failed)]
    for key in keys[:n_ok]:
        (folder / key).mkdir(parents=True)
        (folder / key / "video_input.pkl").write_bytes(dumps(np.zeros((2, 4, 4, 3), np.uint8)))
        (folder / key / "text_input.pkl").write_bytes(dumps({"tokens": tokens}))
        (folder / key / "size.json").write_text("[0.5, 0.5]")
        facts = {"size_px": [640, 360], "codec": "h264", "duration_s": 2.5}
        writer.append({"key": key, "status": "ok", "facts": facts})
    for key in keys[n_ok:]:
        writer.append({"key": key, "status": "failed", "error": "corrupt"})
    if rates:
        writer.append({"rate": {"made": len(keys), "failed": n_failed, "seconds": 2.0, "at": 1.7e9, "workers": 2}})
    writer.close()
    head = {"dataset_dir": str(folder), "stage": "frames", "settings": {"seed": 42}, "shards": ["00000"]}
    plan = folder / "plan.json"
    plan.write_bytes(closed(f'{json.dumps(head)[:-1]}, "keys": [\n{json.dumps(keys)[1:-1]}\n'.encode()))
    info = {"train": [f"/elsewhere/{key}" for key in keys[:n_ok]], "val": [], "test": []}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    summary = {"ok": n_ok, "failed": n_failed, "errors": {"corrupt": n_failed} if n_failed else {}}
    (folder / "summary.json").write_text(json.dumps(summary))
    return {"plan": plan, "info": folder / "dataset_info.json", "summary": folder / "summary.json"}


def draw(paths: dict[str, Path], to: Path) -> dict[str, bytes]:
    figures = {name: to / f"{name}.png" for name in NAMES}
    write_figures(
        paths["plan"],
        info=paths["info"],
        summary=paths["summary"],
        figures=figures,
        title="clip4mc train",
        channel_order="rgb",
        tokenizer="embedded",
    )
    return {name: path.read_bytes() for name, path in figures.items()}


def bars(axes: Axes) -> dict[str, float]:
    names = [label.get_text() for label in axes.get_yticklabels()]
    return {name: bar.get_width() for name, bar in zip(names, axes.patches, strict=True)}  # type: ignore[attr-defined]


def test_sources_are_counted_by_duration_size_and_codec() -> None:
    durations = array("d", [1.0, 2.0, 0.0])
    figure = sources_figure(durations, {"640 x 360": 2, "320 x 240": 1}, {"h264": 3}, title="clip4mc train")
    of_duration, of_size, of_codec = figure.axes
    assert sum(bar.get_height() for bar in of_duration.patches) == 2  # type: ignore[attr-defined]
    assert of_duration.get_title("left") == "duration, 1 unknown"
    assert of_duration.get_xlabel() == "seconds"
    assert bars(of_size) == {"640 x 360": 2, "320 x 240": 1}
    assert bars(of_codec) == {"h264": 3}


def test_a_datasets_figures_are_png_files_and_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    paths = dataset(tmp_path, n_ok=3, n_failed=1)
    first = draw(paths, tmp_path / "first")
    assert all(content.startswith(b"\x89PNG") for content in first.values())
    assert draw(paths, tmp_path / "second") == first


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("state", [{"n_ok": 0}, {"n_ok": 0, "n_failed": 2}, {"n_ok": 1}, {"n_ok": 2, "rates": False}])
def test_odd_states_have_all_figures_too(tmp_path: Path, state: dict[str, Any]) -> None:
    assert set(draw(dataset(tmp_path, **state), tmp_path / "figures")) == set(NAMES)


def test_a_sample_that_vanished_since_is_an_error_and_no_figure_is_written(tmp_path: Path) -> None:
    paths = dataset(tmp_path, n_ok=1)
    (tmp_path / "sample_000000_v" / "size.json").unlink()
    with pytest.raises(JobError, match=r"size.json: No such file or directory; run again: it is made first"):
        draw(paths, tmp_path / "figures")
    assert not (tmp_path / "figures").exists()
