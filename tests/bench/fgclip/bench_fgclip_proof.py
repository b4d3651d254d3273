"""Whether a training learns when and where: the proof's made-up clips, three seeds, by the `snakemake` command."""

import resource
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.bench.measured import run_measured
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[3]
SEEDS = (42, 43, 44)
LONG, SHORT, CONTROL = "steps_160", "steps_120", "shuffled"
WAYS: dict[str, dict[str, Any]] = {
    LONG: {"max_steps": 160},
    SHORT: {"max_steps": 120},
    CONTROL: {"max_steps": 160, "shuffle_captions": True},
}
TITLES = {LONG: "160 steps", SHORT: "120 steps", CONTROL: "control, 160 steps on shuffled captions"}
DATASET = "proof"


class Outcome(NamedTuple):
    """What `metrics.json` says of a run before and after its training, and what the training took.

    Attributes:
        before: metrics of step 0.
        after: metrics of the outcome.
        cpu_s: of the training, its reading of videos included; the rest of the command is not.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    cpu_s: float


def run() -> Table:
    """Train and measure all seeds."""
    with tempfile.TemporaryDirectory() as folder:
        found: dict[tuple[int, str], Outcome] = {}
        for seed in SEEDS:
            measured = measure(Path(folder, str(seed)), seed, list(WAYS))
            found |= {(seed, way): outcome for way, outcome in measured.items()}
    return table(found)


def measure(place: Path, seed: int, ways: list[str], **changed: Any) -> dict[str, Outcome]:
    """Train a seed's runs and measure them.

    Args:
        place: folder to make.
        seed: of the clips and of the trainings.
        ways: of `WAYS`.
        changed: options of the runs, and `n_train` and `n_test`, the numbers of clips.
    """
    from scripts.fgclip.evaluation.metrics_file import read_metrics
    from scripts.fgclip.proof.dataset import make_dataset

    clips = {name: changed.pop(name) for name in ("n_train", "n_test") if name in changed}
    place.mkdir(parents=True)
    (place / "profiles").symlink_to(ROOT / "profiles")
    make_dataset(place / "clips", seed=seed, **clips)
    config = yaml.safe_load((place / "clips" / "config.yaml").read_text(encoding="utf-8"))
    run = {"preset": "tiny", "dataset": DATASET, "seed": seed}
    fgclip = config["fgclip"]
    fgclip["datasets"][DATASET] |= {"calibration_videos": 0, "shard_size": 200}
    fgclip["runs"] = {way: {**run, **WAYS[way], **changed} for way in ways}
    fgclip["compare"] = [f"{ways[0]}.init", *ways]  # all of a seed begin alike
    (place / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    _snakemake(place, "fgclip_validate", *(f"results/fgclip/runs/{way}/init" for way in ways))
    cpu_s = {way: _train(place, config, way) for way in ways}
    _snakemake(place, "fgclip_eval")
    folder = place / "results" / "fgclip" / DATASET / "eval"
    metrics = {path.name: dict(read_metrics(path / "metrics.json")) for path in folder.iterdir()}
    found = {way: Outcome(metrics[f"{ways[0]}.init"], metrics[way], cpu_s[way]) for way in ways}
    for way, outcome in found.items():
        print(*row(seed, way, outcome), flush=True)
    return found


def _snakemake(place: Path, *targets: str) -> None:
    options = ("-s", str(ROOT / "Snakefile"), "-c1", "--configfile", "config.yaml")
    run_measured([str(Path(sys.executable).with_name("snakemake")), *targets, *options], place)


def _train(place: Path, config: dict[str, Any], way: str) -> float:
    """CPU seconds of a training, as its rule starts it."""
    from scripts.fgclip.runs import run_options
    from scripts.fgclip.training.train import train
    from scripts.shared.config import load_config

    run_dir = place / "results" / "fgclip" / "runs" / way
    before = _children_s()
    train(
        run_options(load_config(config, lambda _: "bench"), way),
        name=way,
        init=run_dir / "init",
        records=place / "results" / "fgclip" / DATASET / "records.json",
        run_dir=run_dir,
        gpus=[],
    )
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(found: dict[tuple[int, str], Outcome]) -> Table:
    """The table of all outcomes, by seed and way."""
    return Table(
        title="Proof of the video anomaly detector",
        about=(
            "The made-up clips of `python -m scripts.fgclip.proof` (256 to train on, 48 to be tested on), trained and "
            "measured by the `snakemake` command: preset `tiny`, fresh weights, one thread, clips and training of one "
            "seed. Frame AUC of the global and of the dense score before and after the training, and pointing "
            "accuracy: the share of scored frames with a box whose largest margin lies in it. Chance: AUC 0.5, "
            "pointing as in the last column. CPU s: of the training, its reading of clips included."
        ),
        columns=["run", "AUC before", "after", "dense before", "after", "pointing before", "after", "chance", "CPU s"],
        rows=[row(seed, way, outcome) for (seed, way), outcome in found.items()],
        notes=notes(found),
    )


def row(seed: int, way: str, outcome: Outcome) -> list[Cell]:
    """One run's row."""
    pairs = [outcome.before, outcome.after]
    cells = [metrics["scores"][name]["auc"] for name in ("global", "dense") for metrics in pairs]
    pointing = [metrics["pointing"]["accuracy"] for metrics in pairs]
    return [f"seed {seed}, {TITLES[way]}", *cells, *pointing, outcome.after["pointing"]["chance"], outcome.cpu_s]


def notes(found: dict[tuple[int, str], Outcome]) -> list[str]:
    """Which gates hold, whichever way they came out."""
    from scripts.fgclip.proof import gates

    told = []
    for seed in sorted({seed for seed, _ in found}):
        control = found.get((seed, CONTROL))
        for way in (LONG, SHORT):
            if (seed, way) in found:
                failed = gates.check(found[seed, way].after, control.after if control and way == LONG else None)
                told += [f"Seed {seed}, {TITLES[way]}: {line}." for line in failed]
    gate = (
        f"AUC {gates.LEAST_AUC:.2f} and pointing {gates.LEAST_POINTING:.2f} at least, "
        f"control {gates.MOST_CONTROL_AUC:.2f} at most, in both scores"
    )
    return [
        f"Gates ({gate}): {'all hold' if not told else f'{len(told)} do not'}.",
        *told,
        "The toy is easy to see; it proves that training, scores and measures do their work, and says nothing of "
        "UCF-Crime.",
    ]
