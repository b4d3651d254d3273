"""What a training is put together from: model, pairs, teacher, validation; and what tells it from every other."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from scripts.cnclip.data.lmdb_files import PairsLmdb
from scripts.cnclip.model_files.folder import ModelFacts, load_model, read_facts, vocabulary_of
from scripts.cnclip.tokens import Tokenizer
from scripts.cnclip.training.distillation import Distiller
from scripts.cnclip.training.learner import Learner
from scripts.cnclip.training.loading import PairReader, pair_ids
from scripts.cnclip.training.options import RunOptions, what_counts
from scripts.cnclip.training.teacher import RunningTeacher, StoredTeacher, Teacher, open_stored
from scripts.cnclip.training.validation import Validation
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_file, digest_value
from scripts.shared.training.control import strange_captions
from scripts.shared.training.determinism import keyed_seed
from scripts.shared.training.processes import Processes

_TEACHER_ROWS = 256  # pairs that a teacher in the loop sees at once

log = logging.getLogger(__name__)


class Parts(NamedTuple):
    """What a training is put together from.

    Attributes:
        learner: the model and its optimizer.
        teacher: whom it follows; None without one.
        reader: of the training pairs.
        validation: None where there is no valid split.
        n_pairs: of the training set.
        facts: of the model that it begins with.
        identity: digest of all that decides what is computed; equal for a training that goes on.
    """

    learner: Learner
    teacher: Teacher | None
    reader: PairReader
    validation: Validation | None
    n_pairs: int
    facts: ModelFacts
    identity: str


def put_together(plan: Mapping[str, Any], options: RunOptions, processes: Processes) -> Parts:
    """Open everything that a training needs.

    Args:
        plan: paths by name: "init", "lmdb" and "teacher" (or None).
        options: of the run.
        processes: those that train together.

    Raises:
        ConfigError: something is missing, or does not go with the rest.
    """
    init, lmdb = Path(plan["init"]), Path(plan["lmdb"])
    where = f"cnclip.runs.{options.name}"
    facts = read_facts(init)
    model = load_model(init).to(processes.device)  # type: ignore[arg-type]
    positions = model.config.text_config.max_position_embeddings
    if options.context_length > positions:
        raise ConfigError(f"{where}: context_length: {init} has positions for {positions} tokens at most")
    pairs = PairsLmdb(lmdb / "train")
    teacher = _teacher(plan["teacher"], options, processes, pairs, facts, model.config.vision_config.image_size)
    distiller = None
    if teacher:
        distiller = Distiller(
            options.kd,
            teacher_scale=teacher.scale,
            student_dim=model.config.projection_dim,
            teacher_dim=teacher.dim,
            seed=keyed_seed(options.seed, "projector"),
        ).to(processes.device)
    tokenizer = Tokenizer(vocabulary_of(init))
    sizes = {"size": model.config.vision_config.image_size, "context_length": options.context_length}
    reader = PairReader(
        pairs,
        tokenizer,
        augment_seed=options.seed if options.augment else None,
        captions=strange_captions(pairs.n_pairs, options.seed) if options.shuffle_captions else None,
        **sizes,
    )
    validation = None
    seen = PairsLmdb(lmdb / "valid") if (lmdb / "valid").is_dir() else None
    if seen is not None and seen.n_pairs:
        validation = Validation(PairReader(seen, tokenizer, **sizes), seen.n_pairs, options, processes)
    elif options.keep == "best":
        log.warning(
            "[%s] there are no valid pairs to choose the best epoch by: the last becomes the model", options.name
        )
    identity = digest_value(
        {
            "options": what_counts(asdict(options)),
            "init": facts.weights_sha256,
            "tokenizer": facts.tokenizer_sha256,
            "train": _data_identity(lmdb / "train"),
            "teacher": plan["teacher"] and _teacher_identity(Path(plan["teacher"])),
        }
    )
    learner = Learner(model, options, processes, distiller)
    return Parts(learner, teacher, reader, validation, pairs.n_pairs, facts, identity)


def _teacher(
    path: str | None, options: RunOptions, processes: Processes, pairs: PairsLmdb, facts: ModelFacts, image_size: int
) -> Teacher | None:
    if options.kd.name == "none":
        return None
    if path is None:
        raise ConfigError(f"cnclip.runs.{options.name}.kd: {options.kd.name} without a teacher; name one")
    if options.kd.online:
        return RunningTeacher(
            Path(path),
            processes.device,
            image_size=image_size,
            tokenizer_sha256=facts.tokenizer_sha256,
            rows_at_once=_TEACHER_ROWS,
        )
    stored: StoredTeacher = open_stored(Path(path), options.kd)
    stored.require(*pair_ids(pairs))
    return stored


def _data_identity(folder: Path) -> dict[str, Any]:
    """Of all captions and ids by content; of the pictures, which are gigabytes, by size."""
    return {
        "pairs": digest_file(folder / "pairs" / "data.mdb"),
        "pictures": (folder / "imgs" / "data.mdb").stat().st_size,
    }


def _teacher_identity(path: Path) -> str:
    if path.is_file():
        return digest_file(path)
    facts = [path / name for name in ("facts.json", "polymill.json", "config.json")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in facts if file.is_file())).hexdigest()
