"""The systems of the house, and what all-system commands (status, doctor, verify, ...) need to know of each.

Light: the Snakefile imports it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.clip4mc.stage import clips_stage, frames_stage
from scripts.cnclip.places import run_folders as cnclip_runs
from scripts.fgclip.places import run_folders as fgclip_runs
from scripts.fgclip.stage import dataset_stages
from scripts.pose.stage import pose_stages
from scripts.search.stage import vectors_stage
from scripts.shared.planning.stage import Stage
from scripts.speaker.stage import embeddings_stage

StagesOf = Callable[[Mapping[str, Any], str], tuple[Stage, ...]]
RunsOf = Callable[[Mapping[str, Any]], Mapping[str, Path]]


@dataclass(frozen=True)
class System:
    """One system.

    Attributes:
        stages: the stages of a dataset, from the whole configuration and the dataset's name, in the order of the work;
            none where it has no samples of its own.
        asked_for: likewise those that only a target of their own makes.
        checkers: for `X_verify`, by stage: `module:function` that makes, from the stage's settings, the check of one
            sample's files (`verify_shard.SampleChecker`). Names, because only the jobs import what they name.
        listed_folders: likewise `module:function` that gives the sample folders named in the index of a dataset, or
            the keys where samples share folders, from the dataset's folder; raises `JobError` where the index cannot be
            read.
        draw_samples: likewise the function that draws some samples; see `clip4mc.verified_sheet`.
        packed: names of the stages whose files `X_pack` packs; a sample is, once all of them have made it.
        kept_files: patterns of files below a dataset's folder that a backup takes beside the samples, the files at the
            top and the figures, such as `boundaries/*.json`.
        runs: the folder of each training run, by its name, from the whole configuration; None where it trains nothing.
        has_samples: whether its datasets can have samples of their own. Without, nothing of them is to verify or back
            up, and `X_prune` is the system's own to name.
    """

    stages: StagesOf
    asked_for: StagesOf = lambda _config, _dataset: ()
    checkers: Mapping[str, str] = field(default_factory=dict)
    listed_folders: str = ""
    draw_samples: str = ""
    packed: tuple[str, ...] = ()
    kept_files: tuple[str, ...] = ()
    runs: RunsOf | None = None
    has_samples: bool = True


def _clips(config: Mapping[str, Any], dataset: str) -> tuple[Stage, ...]:
    whole_videos = config["clip4mc"]["datasets"][dataset]["source"] == "videos"
    return (clips_stage(config, dataset),) if whole_videos else ()


def _embeddings(config: Mapping[str, Any], dataset: str) -> tuple[Stage, ...]:
    # One that starts from embeddings made elsewhere has no samples of its own.
    recorded = "input_dir" in config["speaker"]["datasets"][dataset]
    return (embeddings_stage(config, dataset),) if recorded else ()


SYSTEMS = {
    "clip4mc": System(
        stages=lambda config, dataset: (frames_stage(config, dataset),),
        asked_for=_clips,
        checkers={"frames": "scripts.clip4mc.check:sample_checker"},
        listed_folders="scripts.clip4mc.check:listed_folders",
        draw_samples="scripts.clip4mc.verified_sheet:draw_samples",
        packed=("frames",),
    ),
    "speaker": System(
        stages=_embeddings,
        checkers={"embeddings": "scripts.speaker.check:sample_checker"},
        listed_folders="scripts.speaker.check:listed_recordings",
        packed=("embeddings",),
        kept_files=("boundaries/*.json", "boundaries/*.png", "embeddings/extraction_stats.json"),
    ),
    "pose": System(
        stages=pose_stages,
        checkers={
            "text": "scripts.pose.check:text_checker",
            "generate": "scripts.pose.check:pose_checker",
            "render": "scripts.pose.check:picture_checker",
        },
        listed_folders="scripts.pose.check:listed_poses",
        draw_samples="scripts.pose.figures.report_pictures:draw_samples",
        packed=("generate", "render"),
        kept_files=("previews/*",),
    ),
    "cnclip": System(stages=lambda _config, _dataset: (), runs=cnclip_runs, has_samples=False),
    "fgclip": System(
        stages=dataset_stages,
        checkers={
            "videos": "scripts.fgclip.check:facts_checker",
            "scores": "scripts.fgclip.check:scores_checker",
        },
        runs=fgclip_runs,
        kept_files=("eval/*/*", "heatmaps/*/*", "comparison/*"),
    ),
    "search": System(
        stages=lambda config, dataset: (vectors_stage(config, dataset),),
        checkers={"vectors": "scripts.search.check:vectors_checker"},
        listed_folders="scripts.search.check:listed_assets",
    ),
}
