"""Whether a small student learns from a teacher: the demo, three seeds, four ways, trained and measured as runs are."""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.bench.table import Cell, Table

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
UNTRAINED = "untrained"


class Outcome(NamedTuple):
    """What a model reached.

    Attributes:
        recall: in percent at 1, 5 and 10 from texts to pictures, then from pictures to texts; none of a model that is
            refused because it gives most queries the same answers.
        kl: how far its similarities are from the teacher's.
    """

    recall: tuple[float, ...]
    kl: float

    @property
    def at_1(self) -> float:
        """Text to image; a model that is refused finds nothing."""
        return self.recall[0] if self.recall else 0.0


def config(
    seeds: tuple[int, ...] = SEEDS, steps: int = STUDENT_STEPS, teacher_steps: int = TEACHER_STEPS
) -> dict[str, Any]:
    """The configuration of all trainings, none of whose outcomes is chosen by its validation."""
    common = {"dataset": DATASET, "keep": "last"}
    runs: dict[str, Any] = {
        TEACHER: {**common, "preset": "tiny_teacher", "max_steps": teacher_steps, "lr": TEACHER_LR},
    }
    for seed in seeds:
        for way, options in WAYS.items():
            runs[f"{way}_{seed}"] = {**common, "preset": "tiny", "max_steps": steps, "seed": seed, **options}
    return {"cnclip": {"datasets": {DATASET: {"root": "demo", "split": SPLIT}}, "runs": runs}}


def run() -> Table:
    """Train and measure all, then compare."""
    with tempfile.TemporaryDirectory() as folder:
        return table(measure_all(Path(folder), config()))


def measure_all(root: Path, chosen: dict[str, Any]) -> dict[str, Outcome]:
    """Train every run of a configuration; the outcomes by name, that of the first student before its training too."""
    from scripts.shared.config import load_config

    made = load_config(chosen, lambda _: "bench")
    _prepare(root, made["cnclip"]["seed"])
    names = list(made["cnclip"]["runs"])
    found = {}
    for name in names:
        _train(root, made, name)
        found[name] = outcome(root, name, root / "runs" / name / "model")
        print(name, found[name], flush=True)
    first = next(name for name in names if name != TEACHER)
    return {UNTRAINED: outcome(root, UNTRAINED, root / "runs" / first / "init"), **found}


def _prepare(root: Path, seed: int) -> None:
    """The demo, checked and written as LMDBs."""
    from scripts.cnclip.data.checking import check_shard
    from scripts.cnclip.data.demo import make_demo
    from scripts.cnclip.data.lmdb_files import write_lmdb
    from scripts.cnclip.data.tables import make_tables
    from scripts.cnclip.places import SPLITS

    make_demo(root / "demo", seed)
    for split in SPLITS:
        tsv, receipt, pictures, texts = _files(root, split)
        check_shard(tsv, receipt, shard=0, n_shards=1, workers=1)
        make_tables(
            [receipt],
            root / "demo" / f"{split}_texts.jsonl",
            split=split,
            good_pictures=pictures,
            good_texts=texts,
            rest=root / f"{split}.rest.json",
        )
        write_lmdb(tsv, pictures, texts, root / "lmdb" / split)


def _files(root: Path, split: str) -> tuple[Path, Path, Path, Path]:
    """Of a split: its TSV, the receipt of its check, its good pictures and its good texts."""
    tsv = root / "demo" / f"{split}_imgs.tsv"
    return tsv, root / f"{split}.checked.jsonl", root / f"{split}.npz", root / f"{split}.jsonl"


def _train(root: Path, made: dict[str, Any], name: str) -> None:
    from scripts.cnclip.model_files.init import make_init
    from scripts.cnclip.runs import run_options
    from scripts.cnclip.training.train import train

    options, run_dir = run_options(made, name), root / "runs" / name
    fresh = {key: options[key] for key in ("architecture", "context_length", "seed")}
    make_init(run_dir / "init", name="init", **fresh)
    teacher = None
    if options["kd"]["name"] != "none":
        teacher = _features(root, TEACHER, root / "runs" / TEACHER / "model", "train")
    train(options, name=name, init=run_dir / "init", lmdb=root / "lmdb", run_dir=run_dir, teacher=teacher, gpus=[])


def _features(root: Path, name: str, model: Path, split: str) -> Path:
    """The folder of the features that a model gives of a split."""
    from scripts.cnclip.evaluation.features import join_features, picture_features, text_features

    folder = root / "features" / name / split
    if not folder.exists():
        tsv, _, pictures, texts = _files(root, split)
        parts = root / "parts" / name
        picture_features(model=model, tsv=tsv, pictures=pictures, part=parts / "pictures.npz")
        text_features(model=model, texts=texts, part=parts / "texts.npz")
        join_features(picture_parts=[parts / "pictures.npz"], text_part=parts / "texts.npz", folder=folder)
    return folder


def outcome(root: Path, name: str, model: Path) -> Outcome:
    """What the evaluation says of a model on the test split, and its divergence from the teacher."""
    from scripts.cnclip.evaluation.evaluate import METRICS, evaluate

    *_, texts = _files(root, SPLIT)
    features, output = _features(root, name, model, SPLIT), root / "eval" / name
    evaluate(features=features, texts=texts, output=output, name=name, dataset=DATASET, split=SPLIT, seed=0)
    metrics = json.loads((output / METRICS).read_text(encoding="utf-8"))
    recall = [metrics["directions"].get(direction, {}).get("recall", {}) for direction in ("t2i", "i2t")]
    teacher = _features(root, TEACHER, root / "runs" / TEACHER / "model", SPLIT)
    return Outcome(
        tuple(way[measure] for way in recall if way for measure in ("r1", "r5", "r10")),
        divergence(_logits(features, texts), _logits(teacher, texts)),
    )


def divergence(student: NDArray[np.float64], teacher: NDArray[np.float64]) -> float:
    """The loss of `kd: kl` between similarities of all pictures and their texts, (n, n) logits each."""
    import torch

    from scripts.cnclip.training.distillation import soft_label_divergence

    return float(soft_label_divergence(torch.from_numpy(student), torch.from_numpy(teacher), TEMPERATURE))


def _logits(features: Path, texts: Path) -> NDArray[np.float64]:
    """Similarities of every picture with the text of every picture, the model's scale in them: (n, n)."""
    from scripts.cnclip.evaluation.annotation import read_annotation
    from scripts.cnclip.evaluation.feature_files import read_split

    made, asked = read_split(features), read_annotation(texts)
    text_of = {image: text for text, images in zip(asked.query_ids, asked.answers, strict=True) for image in images}
    rows = {text: row for row, text in enumerate(made.text_ids.tolist())}
    own = made.text_features[[rows[text_of[image]] for image in made.image_ids.tolist()]]
    logits: NDArray[np.float64] = (made.facts["logit_scale"] * made.image_features @ own.T).astype(np.float64)
    return logits


def table(found: dict[str, Outcome]) -> Table:
    """The table of all outcomes: untrained, the teacher, every student, and the ways in the mean."""
    rows = [_row(_title(name), one) for name, one in found.items()]
    rows += [_row(f"{way}, mean of {len(SEEDS)}", _mean([found[f"{way}_{seed}"] for seed in SEEDS])) for way in WAYS]
    return Table(
        title="Distillation of Chinese CLIP on the demo",
        about=(
            "Recall in percent on the demo's test split (95 texts, 190 pictures, in combinations never seen in "
            "training; chance at 1: 1.05 %), trained and measured as runs of the configuration are: fresh weights, "
            "pictures of 32 x 32, batches of 64, the last step's weights, one thread. The teacher (2.64 M parameters) "
            f"learned for {TEACHER_STEPS} steps, each student (1.53 M) for {STUDENT_STEPS}: plain, with `kl` at "
            f"temperature {TEMPERATURE:g}, with upstream's `cos_interp`, and plain with the captions shuffled, a "
            "control. KL: the loss of `kl`, here between the similarities of student and teacher on all pictures and "
            "their texts."
        ),
        columns=["model", "T2I R@1", "R@5", "R@10", "I2T R@1", "R@5", "R@10", "KL to the teacher"],
        rows=rows,
        notes=notes(found),
    )


def notes(found: dict[str, Outcome]) -> list[str]:
    """What the pairs of equal seeds come to, whichever way they came out."""

    gained = {way: [found[f"{way}_{seed}"].at_1 - found[f"{PLAIN}_{seed}"].at_1 for seed in SEEDS] for way in (KL, COS)}
    above = sum(gain > 0 for gain in gained[KL])
    below = sum(gain < 0 for gain in gained[COS])
    control = max(found[f"{SHUFFLED}_{seed}"].at_1 for seed in SEEDS)
    return [
        f"T2I R@1 beside plain of the same seed: `kl` above in {above} of {len(SEEDS)} pairs ({_points(gained[KL])} "
        f"points), `cos_interp` below in {below} of {len(SEEDS)} ({_points(gained[COS])}).",
        f"The control's highest T2I R@1: {control:.1f} %.",
        "Seeds differ widely, and fresh toys say nothing of models that begin with trained weights.",
    ]


def _points(gains: list[float]) -> str:
    return ", ".join(f"{gain:+.1f}" for gain in gains)


def _title(name: str) -> str:
    way, _, seed = name.rpartition("_")
    return f"{way}, seed {seed}" if way in WAYS else name


def _mean(outcomes: list[Outcome]) -> Outcome:
    scored = [one.recall for one in outcomes if one.recall]
    return Outcome(
        tuple(statistics.fmean(column) for column in zip(*scored, strict=True)),
        statistics.fmean(one.kl for one in outcomes),
    )


def _row(title: str, one: Outcome) -> list[Cell]:
    recall = [f"{value:.1f}" for value in one.recall] or ["refused"] * 6
    return [title, *recall, f"{one.kl:.1f}"]
