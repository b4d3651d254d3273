"""Which model a dataset asks for, told without loading it. Light, since the Snakefile imports it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.pose.caption_list import CaptionList
from scripts.pose.model_files.official import ModelFiles, find_model
from scripts.pose.text.identity import CLIP, MINILM, clip_identity, minilm_identity
from scripts.pose.toy.recipe import recipe_identity
from scripts.shared.errors import ConfigError

TINY = "tiny"
TINY_SEED = 3407  # of its training; another would be another toy


@dataclass(frozen=True)
class ChosenModel:
    """A model that poses are made with.

    Attributes:
        kind: "sit" or "ddpm".
        skeleton: "t2m" or "kit".
        identity: of all that a pose of a stated length is made with.
        lengths_identity: of its length estimator; "" where no caption asks for it.
        path: the one file that jobs load.
        official: the checkpoints that it is to be converted from; None where it needs no conversion.
        text_encoder: "clip" or "minilm".
        text_identity: of the text encoder's weights.
        clip: where CLIP's text tower lies; "" for minilm.
    """

    kind: str
    skeleton: str
    identity: str
    lengths_identity: str
    path: Path
    official: ModelFiles | None
    text_encoder: str
    text_identity: str
    clip: str

    @property
    def is_toy(self) -> bool:
        """Whether it is the tiny model that is trained here."""
        return self.text_encoder == MINILM


def models_dir(config: Mapping[str, Any]) -> Path:
    """Where models lie that were converted or trained here; may be deleted at any time."""
    return Path(config["work_dir"], "pose_models")


def choose_model(config: Mapping[str, Any], name: str) -> ChosenModel:
    """The model of a dataset.

    Args:
        config: the whole configuration, as `load_config` gives it.
        name: of the dataset.

    Raises:
        ConfigError: an option is missing, or the files are not there or are not whole.
        PlanningError: the list of captions cannot be read.
    """
    dataset = config["pose"]["datasets"][name]
    where = f"pose.datasets.{name}"
    if "checkpoints" not in dataset:
        raise ConfigError(
            f"{where}: 'checkpoints' is missing: name the folder of MARDM's checkpoints (docs/weights.md), or tiny for "
            "a toy that is trained here"
        )
    if dataset["checkpoints"] == TINY:
        return _tiny(config, dataset, where)
    if "model" not in dataset:
        raise ConfigError(f"{where}: 'model' is missing: sit or ddpm, which the checkpoints themselves do not tell")
    found = find_model(
        Path(dataset["checkpoints"]),
        dataset["model"],
        dataset["skeleton"],
        dataset.get("mean"),
        dataset.get("std"),
        needs_lengths=CaptionList(dataset).needs_lengths(),
    )
    by_clip = found.text_encoder == CLIP
    if by_clip and "clip" not in dataset:
        raise ConfigError(f"{where}: 'clip' is missing: the folder or file of CLIP ViT-B/32 (docs/weights.md)")
    return ChosenModel(
        kind=found.kind,
        skeleton=found.skeleton,
        identity=found.identity,
        lengths_identity=found.lengths_identity,
        path=found.paths["model"] if found.is_converted else models_dir(config) / found.converted_name,
        official=None if found.is_converted else found,
        text_encoder=found.text_encoder,
        text_identity=clip_identity(Path(dataset["clip"])) if by_clip else minilm_identity(),
        clip=dataset["clip"] if by_clip else "",
    )


def official_model(config: Mapping[str, Any], converted: str) -> ModelFiles:
    """The checkpoints that a file in `models_dir` is converted from.

    Args:
        config: the whole configuration, as `load_config` gives it.
        converted: name of that file.

    Raises:
        ConfigError: no dataset asks for it; or as `choose_model`.
    """
    for name in config["pose"]["datasets"]:
        official = choose_model(config, name).official
        if official is not None and official.converted_name == converted:
            return official
    raise ConfigError(f"pose: no dataset of the configuration asks for the model {converted}")


def tiny_model(config: Mapping[str, Any]) -> Path:
    """The file of the tiny model, once it is trained."""
    return models_dir(config) / f"{TINY}.safetensors"


def tiny_files(config: Mapping[str, Any]) -> dict[str, str]:
    """What the tiny model is trained on: `motions` and `captions`."""
    folder = config["pose"].get("motions", "")
    return {"motions": str(Path(folder, "real_motion.npz")), "captions": str(Path(folder, "motions.csv"))}


def tiny_identity(config: Mapping[str, Any]) -> str:
    """What names the weights of the tiny model, known before it is trained.

    Raises:
        ConfigError: a file that it is trained on cannot be read, or its text encoder is not installed.
    """
    files = tiny_files(config)
    return recipe_identity(Path(files["motions"]), Path(files["captions"]), TINY_SEED)


def _tiny(config: Mapping[str, Any], dataset: Mapping[str, Any], where: str) -> ChosenModel:
    if "motions" not in config["pose"]:
        raise ConfigError(
            f"{where}: checkpoints: tiny needs pose.motions, the folder of the motions that it is trained on; "
            "config/config.yaml has the demo's"
        )
    if dataset["skeleton"] != "t2m" or dataset.get("model", "sit") != "sit":
        raise ConfigError(f"{where}: the tiny model is sit and t2m; take model and skeleton away")
    return ChosenModel(
        kind="sit",
        skeleton="t2m",
        identity=tiny_identity(config),
        lengths_identity="",
        path=tiny_model(config),
        official=None,
        text_encoder=MINILM,
        text_identity=minilm_identity(),
        clip="",
    )
