"""Whether a small student learns from a teacher: the demo, three seeds, four ways, by the `snakemake` command."""

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from tests.bench.measured import run_measured
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[3]
SEEDS = (1, 2, 3)
STUDENT_STEPS, TEACHER_STEPS, TEACHER_LR = 150, 500, 1.5e-3
DATASET, SPLIT = "demo", "test"
TEACHER, PLAIN, KL, COS, SHUFFLED = "teacher", "plain", "kl", "cos_interp", "shuffled"
WAYS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    KL: {"kd": {"name": "kl", "teacher": TEACHER}},
    COS: {"kd": {"name": "cos_interp", "teacher": TEACHER}},
    SHUFFLED: {"shuffle_captions": True},
}
TEMPERATURE = 4.0


class Outcome(NamedTuple):
    """What a model reached: recall in percent at 1, 5 and 10, text to image and image to text, how far its
    similarities are from the teacher's, and seconds of its training; the last two None where there is none."""

    t2i: tuple[float, float, float]
    i2t: tuple[float, float, float]
    kl: float | None
    trained_s: float | None


def config(seeds: tuple[int, ...] = SEEDS, steps: int = STUDENT_STEPS, teacher_steps: int = TEACHER_STEPS) -> Any:
    """The configuration of all trainings, none of them chosen by its validation."""
    common = {"dataset": DATASET, "keep": "last"}
    runs: dict[str, Any] = {
        TEACHER: {**common, "preset": "tiny_teacher", "max_steps": teacher_steps, "lr": TEACHER_LR},
    }
    for seed in seeds:
        for way, options in WAYS.items():
            runs[f"{way}_{seed}"] = {**common, "preset": "tiny", "max_steps": steps, "seed": seed, **options}
    return {"cnclip": {"datasets": {DATASET: {"root": "demo", "split": SPLIT, "workers": 1}}, "runs": runs}}


def run() -> Table:
    """Train and measure all, then compare."""
    with tempfile.TemporaryDirectory() as folder:
        names = [*config()["cnclip"]["runs"], f"{PLAIN}_{SEEDS[0]}.init"]
        found = measure_all(Path(folder), config(), names)
    return table(found)


def measure_all(folder: Path, chosen: Any, names: list[str]) -> dict[str, Outcome]:
    """Run the command in a folder of its own; the outcome of each model or form by its name."""
    (folder / "config.yaml").write_text(yaml.safe_dump(chosen), encoding="utf-8")
    snakemake = [str(Path(sys.executable).parent / "snakemake"), "-s", str(ROOT / "Snakefile")]
    targets = [str(_evaluation(name) / "metrics.json") for name in names]
    cores = len(os.sched_getaffinity(0))
    run_measured([*snakemake, *targets, f"-c{cores}", "-q", "--configfile", "config.yaml"], folder)
    return {name: outcome(folder, name) for name in names}


def outcome(folder: Path, name: str) -> Outcome:
    """What the production's evaluation says of a model, and its divergence from the teacher."""
    metrics = json.loads((folder / _evaluation(name) / "metrics.json").read_text(encoding="utf-8"))
    ways = []
    for direction in ("t2i", "i2t"):
        recall = metrics["directions"][direction]["recall"]
        ways.append((recall["r1"], recall["r5"], recall["r10"]))
    record = folder / "results/cnclip/runs" / name / "run.json"
    trained = json.loads(record.read_text(encoding="utf-8"))["attempts"] if record.exists() else None
    return Outcome(
        ways[0],
        ways[1],
        None if name == TEACHER else divergence(_logits(folder, name), _logits(folder, TEACHER)),
        None if trained is None else sum(attempt["time_s"] for attempt in trained),
    )


def divergence(student: np.ndarray[Any, Any], teacher: np.ndarray[Any, Any]) -> float:
    """The loss of `kd: kl` between similarities of all pictures and their texts, (n, n) logits each."""
    import torch

    from scripts.cnclip.training.distillation import soft_label_divergence

    return float(soft_label_divergence(torch.from_numpy(student), torch.from_numpy(teacher), TEMPERATURE))


def _evaluation(name: str) -> Path:
    return Path("results/cnclip/eval", name, DATASET)


def _logits(folder: Path, name: str) -> np.ndarray[Any, Any]:
    """Similarities of every picture of the split with the text of every picture, the model's scale in them: (n, n)."""
    from scripts.cnclip.evaluation.annotation import read_annotation
    from scripts.cnclip.evaluation.feature_files import read_split

    made = read_split(folder / _evaluation(name) / "features" / SPLIT)
    asked = read_annotation(folder / "results/cnclip/data" / DATASET / "texts" / f"{SPLIT}.jsonl")
    text_of = {image: text for text, images in zip(asked.query_ids, asked.answers, strict=True) for image in images}
    rows = {text: row for row, text in enumerate(made.text_ids.tolist())}
    own = made.text_features[[rows[text_of[image]] for image in made.image_ids.tolist()]]
    logits: np.ndarray[Any, Any] = made.facts["logit_scale"] * made.image_features @ own.T
    return logits.astype(np.float64)


def table(found: dict[str, Outcome]) -> Table:
    """The table of all outcomes: the teacher, every student, and the ways in the mean."""
    rows = [_row(_title(name), one) for name, one in found.items()]
    for way in WAYS:
        rows.append(_row(f"{way}, mean of {len(SEEDS)}", _mean([found[f"{way}_{seed}"] for seed in SEEDS])))
    return Table(
        title="Distillation of Chinese CLIP on the demo",
        about=(
            "Recall in percent on the demo's test split (95 texts, 190 pictures, in combinations never seen in "
            "training; chance at 1: 1.05 %), by the `snakemake` command: fresh weights, pictures of 32 x 32, batches "
            f"of 64, the last step's weights. The teacher (2.64 M parameters) learned for {TEACHER_STEPS} steps, each "
            f"student (1.53 M) for {STUDENT_STEPS}: plain, with `kl` at temperature {TEMPERATURE:g}, with upstream's "
            "`cos_interp`, and plain with the captions shuffled, a control. KL: that of `kl`, between the "
            "similarities of student and teacher on all pictures and their texts. Seconds: wall clock of the "
            "training, one process of one thread, with whatever else ran."
        ),
        columns=["model", "T2I R@1", "R@5", "R@10", "I2T R@1", "R@5", "R@10", "KL to the teacher", "training s"],
        rows=rows,
        notes=notes(found),
    )


def notes(found: dict[str, Outcome]) -> list[str]:
    """What the pairs of equal seeds come to, whichever way they came out."""

    def pairs(way: str, better: bool) -> str:
        won = [
            (found[f"{way}_{seed}"].t2i[0] > found[f"{PLAIN}_{seed}"].t2i[0]) is better
            and found[f"{way}_{seed}"].t2i[0] != found[f"{PLAIN}_{seed}"].t2i[0]
            for seed in SEEDS
        ]
        return f"in {sum(won)} of {len(won)} pairs"

    control = max(found[f"{SHUFFLED}_{seed}"].t2i[0] for seed in SEEDS)
    return [
        f"T2I R@1 of the same seed: `kl` above plain {pairs(KL, True)}, `cos_interp` below plain {pairs(COS, False)}.",
        f"The control's highest T2I R@1: {control:.2f} %.",
        "Seeds differ widely, and fresh toys say nothing of models that begin with trained weights.",
    ]


def _title(name: str) -> str:
    if name.endswith(".init"):
        return "untrained"
    way, _, seed = name.rpartition("_")
    return f"{way}, seed {seed}" if way in WAYS else name


def _mean(outcomes: list[Outcome]) -> Outcome:
    def of(columns: list[tuple[float, float, float]]) -> tuple[float, float, float]:
        at_1, at_5, at_10 = (statistics.fmean(column) for column in zip(*columns, strict=True))
        return at_1, at_5, at_10

    def numbers(values: list[float | None]) -> float:
        return statistics.fmean(value for value in values if value is not None)

    return Outcome(
        of([one.t2i for one in outcomes]),
        of([one.i2t for one in outcomes]),
        numbers([one.kl for one in outcomes]),
        numbers([one.trained_s for one in outcomes]),
    )


def _row(title: str, one: Outcome) -> list[Cell]:
    recall = [f"{value:.1f}" for value in (*one.t2i, *one.i2t)]
    kl = None if one.kl is None else round(one.kl, 1)
    return [title, *recall, kl, None if one.trained_s is None else round(one.trained_s)]
