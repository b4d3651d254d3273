"""The stages of all sample systems, each on a few small samples, and what a run that nobody disturbs makes of them.

The samples are real: clips are decoded, models of random weights compute. A place is made by the `snakemake` command,
and its jobs then called as the rules call them.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import yaml

from scripts.clip4mc.clips_index import write_clips_index
from scripts.clip4mc.index import write_index
from scripts.clip4mc.metadata import MetadataList
from scripts.clip4mc.stage import clips_stage, frames_stage
from scripts.fgclip.scoring.gpu_job import group as group_videos
from scripts.fgclip.scoring.gpu_job import hold_device
from scripts.fgclip.stage import scores_stage, videos_stage
from scripts.pose.groups import group as group_captions
from scripts.pose.stage import pose_stages
from scripts.search.gpu_job import hold_device as hold_search_device
from scripts.search.index import write_index as write_search_index
from scripts.search.job import group as group_assets
from scripts.search.parts import write_part as write_search_part
from scripts.search.stage import vectors_stage
from scripts.shared import atomic_files, layout
from scripts.shared.config import load_config
from scripts.shared.job_gpu import hold_torch_device
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.stage import Stage
from scripts.shared.shard_job import run_shard
from scripts.speaker.gpu_job import GpuJob
from scripts.speaker.shard_arrays import write_part
from scripts.speaker.stage import embeddings_stage
from tests.fgclip_place import FgclipPlace
from tests.odd_captions import ODD_CAPTIONS
from tests.pose_place import PosePlace
from tests.search_place import SearchPlace, make_picture
from tests.snakemake_run import ROOT, Place, Workplace, contents, make_clip
from tests.speaker_place import SpeakerPlace, make_recording

VERSIONS = {"made": "here"}
INDEX_FILES = ("dataset_info.json", "failures.csv", "summary.json")
FRESH, CHANGED = "fresh", "changed"
WITHOUT = (".state", "throughput.png")

Config = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """The jobs of one stage, as its rule calls them.

    Attributes:
        stage: from the configuration.
        named: arguments of `run_shard`.
        index: writes what the rule of the index writes, where that is cheap enough to be killed often.
    """

    stage: Callable[[Config], Stage]
    named: dict[str, Any]
    index: Callable[[Path], None] | None = None


@dataclass
class Killed:
    """A place whose jobs are killed.

    Attributes:
        name: in words: `clip4mc frames`.
        here: where the user runs.
        jobs: of its stages, in their order.
        starts: trees of results and plans that a run begins with, by name: nothing made, or all made of other sources.
        expected: digest of each file of a sample, and of those of the index, by path below the dataset's folder.
        index_files: those of the indexes that its jobs write.
        strange: digests that files of `CHANGED` may have until they are replaced.
    """

    name: str
    here: Place
    jobs: tuple[Job, ...]
    starts: dict[str, Path] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)
    strange: dict[str, str] = field(default_factory=dict)
    index_files: tuple[str, ...] = ()

    @cached_property
    def stages(self) -> list[Stage]:
        """In the order of their jobs; asked once all is prepared, and in the folder."""
        raw = yaml.safe_load((self.here.folder / "config.yaml").read_text(encoding="utf-8"))
        config = load_config({**raw, "retry_failed": ["worker_died"]}, lambda _: "config.yaml")
        return [job.stage(config) for job in self.jobs]

    def begin_with(self, start: str) -> None:
        """Put a start's tree where the results are."""
        for name, folder in self.trees().items():
            shutil.rmtree(folder, ignore_errors=True)
            if (self.starts[start] / name).exists():
                shutil.copytree(self.starts[start] / name, folder, symlinks=True)

    def trees(self) -> dict[str, Path]:
        """What the jobs change: the dataset's results, and its plans and receipts."""
        return {"results": self.here.dataset, "work": self.here.work}

    def run(self) -> None:
        """Plan all stages, then answer what is due, as one `snakemake` command does; for a process of its own."""
        os.chdir(self.here.folder)
        plans = [plan_dataset(stage, scratch=None) for stage in self.stages]
        self.answer()
        atomic_files.remove_leftovers_beside(*(self.here.dataset / name for name in self.index_files))  # as `job_log`
        for job, plan in zip(self.jobs, plans, strict=True):
            if job.index is not None:
                job.index(plan.index_plan)

    def plan(self) -> None:
        """Plan all stages, and end."""
        os.chdir(self.here.folder)
        for stage in self.stages:
            plan_dataset(stage, scratch=None)

    def answer(self) -> None:
        """Answer the plans that are there: the jobs of a run whose `snakemake` was killed."""
        os.chdir(self.here.folder)
        for job, stage in zip(self.jobs, self.stages, strict=True):
            for shard in due(stage):
                receipt = layout.receipt_file(stage.stage_work_dir, shard)
                receipt.unlink(missing_ok=True)  # as Snakemake does
                run_shard(
                    layout.plan_file(stage.stage_work_dir, shard), receipt, versions=VERSIONS, workers=2, **job.named
                )


def due(stage: Stage) -> list[str]:
    """The shards whose job Snakemake would start: no receipt, or one older than that of the stage before."""

    def is_due(shard: str) -> bool:
        receipt = layout.receipt_file(stage.stage_work_dir, shard)
        if not receipt.exists():
            return True
        before = layout.receipt_file(stage.work_dir / stage.upstream, shard)
        return bool(stage.upstream) and before.exists() and before.stat().st_mtime_ns > receipt.stat().st_mtime_ns

    return [path.stem for path in sorted((stage.stage_work_dir / "plan").glob("*.json")) if is_due(path.stem)]


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Be in a folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _keep(killed: Killed, start: str, folder: Path) -> None:
    """Take what is there as a start."""
    target = folder / start
    target.mkdir(parents=True)
    for name, tree in killed.trees().items():
        if tree.exists():
            shutil.copytree(tree, target / name, symlinks=True)
    killed.starts[start] = target


def _prepared(killed: Killed, folder: Path, change: Callable[[], None]) -> Killed:
    """Make all by the command, change what it is made of, and make all again; keeps the states between."""
    here = killed.here
    here.make(timeout_s=600)
    change()
    _keep(killed, CHANGED, folder)
    killed.strange = contents(here.dataset, WITHOUT)
    here.make(timeout_s=600)
    killed.expected = contents(here.dataset, WITHOUT)
    for tree in killed.trees().values():
        shutil.rmtree(tree)
    _keep(killed, FRESH, folder)
    return killed


def clip4mc_frames(folder: Path) -> Killed:
    """Twelve clips, one of which is none."""
    here = Workplace.create(folder / "place", n_clips=11, shard_size=6)
    here.pairs.append(here.pair(11))
    here.clip(11).write_bytes(b"no clip")
    here.save()
    results = Path("results/clip4mc/train")

    def index(plan: Path) -> None:
        info, failures, summary = (results / name for name in INDEX_FILES)
        write_index(plan, info=info, failures=failures, summary=summary)

    job = Job(lambda config: frames_stage(config, "train"), {"function": "scripts.clip4mc.sample:make_sample"}, index)

    def change() -> None:
        for number in (0, 2, 3, 5, 8, 9):
            make_clip(here.clip(number), seed=100 + number)
        here.clip(4).write_bytes(b"no clip any more")

    return _prepared(Killed("clip4mc frames", here, (job,), index_files=INDEX_FILES), folder, change)


def clip4mc_clips(folder: Path) -> Killed:
    """Eight clips cut out of two whole videos, one of another that is not there."""
    here = Workplace(folder / "place")
    here.folder.mkdir()
    (here.folder / "profiles").symlink_to(ROOT / "profiles")
    videos = here.folder / "videos"

    def write(first_seed: int) -> None:
        for number, name in enumerate("ab"):
            make_clip(videos / f"{name}.mp4", seed=first_seed + number, n_frames=50)

    write(0)
    rows = [("ab"[number % 2], number * 0.1, number * 0.1 + 0.5) for number in range(8)] + [("c", 0, 1)]
    listed = [
        {"vid": vid, "begin position": begin, "end position": end, "transcript clip": "a player mines a block"}
        for vid, begin, end in rows
    ]
    (here.folder / "metadata.json").write_text(json.dumps(listed))
    (here.folder / "info.csv").write_text("url,filename\nhttps://youtu.be/a,a.mp4\nhttps://youtu.be/b,b.mp4\n")
    raw = {"source": "videos", "metadata": "metadata.json", "info_csv": "info.csv", "videos_dir": "videos"}
    small = {"num_frames": 2, "frame_height": 16, "frame_width": 16, "figures": False, "paths": "relative"}
    config = {"clip4mc": {**small, "shard_size": 4, "workers": 1, "datasets": {"train": raw}}}
    (here.folder / "config.yaml").write_text(yaml.safe_dump(config))
    clips = Path("results/clip4mc/train/clips")

    def index(plan: Path) -> None:
        write_clips_index(
            plan,
            listed=MetadataList(Path("metadata.json"), Path("info.csv")),
            pairs=clips / "text_video_pairs.json",
            failures=clips / "failures.csv",
            summary=clips / "summary.json",
        )

    frames = Job(lambda config: frames_stage(config, "train"), {"function": "scripts.clip4mc.sample:make_sample"})
    cut = Job(lambda config: clips_stage(config, "train"), {"function": "scripts.clip4mc.clip:make_clip"}, index)
    index_files = tuple(f"clips/{name}" for name in ("text_video_pairs.json", "failures.csv", "summary.json"))
    killed = Killed("clip4mc frames and clips of whole videos", here, (frames, cut), index_files=index_files)
    make = here.make
    here.make = lambda *_, **named: make("all_clip4mc", "clip4mc_clips", **named)  # type: ignore[method-assign]
    return _prepared(killed, folder, lambda: write(50))


def speaker(folder: Path) -> Killed:
    """Recordings of two voices, one that is none."""
    here = SpeakerPlace.create(folder / "place", (6, 6), shard_size=7, n_speakers=2)
    here.recording(1, 5).write_bytes(b"no recording")
    job = GpuJob(n_gpus=0)
    named = {
        "function": "scripts.speaker.gpu_embedding:start_sample",
        "equip": job.equip,
        "combine": job.combine,
        "finish": write_part,
    }

    def change() -> None:
        for number in (0, 1, 4):
            make_recording(here.recording(0, number), 0, seed=700 + number)
        make_recording(here.recording(1, 5), 1, seed=800)
        here.recording(1, 0).write_bytes(b"no recording any more")

    stage = Job(lambda config: embeddings_stage(config, "studio"), named)
    return _prepared(Killed("speaker embeddings", here, (stage,)), folder, change)


def pose(folder: Path) -> Killed:
    """Captions through all three stages."""
    here = PosePlace.create(folder / "place", list(ODD_CAPTIONS)[:7], shard_size=4, allow_non_latin=True)
    functions = (
        {"function": "scripts.pose.text.sample:make_sample"},
        {
            "function": "scripts.pose.batches:make_poses",
            "equip": partial(hold_torch_device, n_gpus=0, verb="makes poses"),
            "group": group_captions,
        },
        {"function": "scripts.pose.figures.sample_picture:make_picture"},
    )
    jobs = tuple(
        Job(lambda config, number=number: pose_stages(config, "tenk")[number], named)  # type: ignore[misc]
        for number, named in enumerate(functions)
    )

    def change() -> None:
        here.options["seed"] = 7
        here.save()

    return _prepared(Killed("pose text, poses and pictures", here, jobs), folder, change)


def fgclip(folder: Path) -> Killed:
    """What is known of twelve videos, and the scores of four."""
    short = {"max_steps": 2, "batch_size": 4, "num_frames": 4}
    here = FgclipPlace.create(folder / "place", n_train=8, n_test=4, short=short)
    here.options |= {"shard_size": 7, "stride": 4}
    here.save()

    def scores(config: Config) -> Stage:
        return scores_stage(config, videos_stage(config, "proof"), "short")

    facts = Job(
        lambda config: videos_stage(config, "proof"), {"function": "scripts.fgclip.data.video_facts:read_facts"}
    )
    named = {
        "function": "scripts.fgclip.scoring.job:score_videos",
        "equip": partial(hold_device, n_gpus=0, decoders=1),
        "group": group_videos,
    }

    def change() -> None:
        here.options["stride"] = 2
        here.save()

    return _prepared(Killed("fgclip videos and scores", here, (facts, Job(scores, named))), folder, change)


def search(folder: Path) -> Killed:
    """Nine pictures, one that is none, and two videos; with the index that the server reads."""
    here = SearchPlace.create(folder / "place", n_pictures=10, n_videos=2, shard_size=7)
    here.photo(9).write_bytes(b"no picture")
    results = Path("results/search/mine")

    def index(plan: Path) -> None:
        write_search_index(
            plan,
            captions=None,
            database=results / "assets.db",
            outputs={
                "failures": results / "failures.csv",
                "summary": results / "summary.json",
                **{name: results / "figures" / f"{name}.png" for name in ("failures_by_class", "throughput")},
            },
            title="search mine",
        )

    named = {
        "function": "scripts.search.job:encode_assets",
        "equip": partial(hold_search_device, n_gpus=0, decoders=1),
        "group": group_assets,
        "finish": write_search_part,
    }

    def change() -> None:
        for number in (0, 1, 4, 9):
            make_picture(here.photo(number), seed=700 + number)
        here.photo(2).write_bytes(b"no picture any more")
        make_clip(here.film(0), seed=800)

    job = Job(lambda config: vectors_stage(config, "mine"), named, index)
    files = ("assets.db", "failures.csv", "summary.json", "figures/failures_by_class.png")
    return _prepared(Killed("search vectors and index", here, (job,), index_files=files), folder, change)


PLACES: dict[str, Callable[[Path], Killed]] = {
    "clip4mc": clip4mc_frames,
    "clip4mc-videos": clip4mc_clips,
    "speaker": speaker,
    "pose": pose,
    "fgclip": fgclip,
    "search": search,
}
