"""A training on a few made-up clips, with the tiny network."""

import json
from pathlib import Path
from typing import Any

from scripts.fgclip.data.records import Item, Key, Records, Region, Video
from scripts.fgclip.model.init import make_init
from scripts.fgclip.proof.dataset import make_dataset
from scripts.fgclip.training.options import RunOptions, run_options
from scripts.fgclip.training.train import train

BACKGROUND = "a normal scene from a surveillance camera"
OPTIONS: dict[str, Any] = {
    "num_frames": 4,
    "batch_size": 4,
    "accumulation": 2,
    "processes": 1,
    "epochs": 1,
    "max_steps": 0,
    "lr": 2e-3,
    "text_lr": 1e-3,
    "new_lr": 2e-3,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "warmup_steps": 0.1,
    "precision": "auto",
    "log_steps": 1,
    "save_steps": 0,
    "save_total_limit": 2,
    "resume_from_checkpoint": "auto",
    "num_workers": 0,
    "frame_chunk": 8,
    "finetune": "all",
    "region_weight": 0.5,
    "max_regions": 2,
    "background_region": True,
    "background_caption": BACKGROUND,
    "normal_boxes": "random",
    "augment": "none",
    "keep_best": False,
    "hold_out": 0.25,
    "checkpoints": "last",
    "shuffle_captions": False,
    "long_captions": False,
    "temporal_layers": 1,
    "seed": 42,
    "dataset": "shapes",
}


def options(**changed: Any) -> RunOptions:
    """Options of a run of the tests, but for what is changed."""
    return run_options("test", {**OPTIONS, **changed})


def box_key(frame: int, *box: float, enabled: bool = True) -> Key:
    """A keyframe."""
    return Key(frame, *(box or (0.25, 0.25, 0.75, 0.75)), enabled=enabled)  # type: ignore[call-arg, misc, arg-type]


def item(name: str, *regions: Region, caption: str = "discs", span: tuple[int, int] = (0, 32)) -> Item:
    """An item; anomalous where a region has keyframes."""
    anomalous = any(region.keys for region in regions)
    return Item(name, name, "Abuse" if anomalous else "Normal", anomalous, caption, span, regions)


def make_place(folder: Path, n_train: int = 12) -> Records:
    """Clips, `records.json` and the model that runs begin with; what the records hold."""
    make_dataset(folder / "clips", n_train=n_train, n_test=2)
    listed = json.loads((folder / "clips" / "train.json").read_text())
    videos, items = {}, []
    for entry in listed:
        name = Path(entry["f_path"]).stem
        videos[name] = Video(folder / "clips" / "videos" / entry["f_path"], 32, 10.0, 48, 48, name)
        regions = tuple(
            Region(
                region["caption"],
                region.get("start_frame"),
                region.get("end_frame"),
                tuple(Key(key["frame"], *key["bbox"], key["enabled"]) for key in region["keyframes"]),
            )
            for region in entry["bbox_info"]
        )
        items.append(item(name, *regions, caption=entry["global_caption"]))
    records = Records(videos, tuple(items))
    write_records(folder / "records.json", records)
    make_init(
        folder / "init",
        name="tiny",
        clip="tiny",
        seed=1,
        num_frames=4,
        temporal_layers=1,
        records=folder / "records.json",
        texts=[BACKGROUND],
    )
    return records


def write_records(path: Path, records: Records) -> None:
    """Put them where a training reads them."""
    path.write_text(json.dumps(records.as_json()))


def start(folder: Path, name: str, *, records: str = "records.json", **changed: Any) -> None:
    """Train there."""
    where = {"init": folder / "init", "records": folder / records, "run_dir": folder / name}
    features = folder / "features" if changed.get("finetune") == "none" else None
    train({**OPTIONS, **changed}, name=name, **where, features=features, gpus=[])
