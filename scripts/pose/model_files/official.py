"""Which files a model consists of, and how to tell it from another. Light: planning calls it.

Source: the layout in which the authors of MARDM publish their checkpoints.
"""

from dataclasses import dataclass
from pathlib import Path

from scripts.pose.model_files.header import SUFFIX, check_wanted, read_header
from scripts.pose.model_files.mean_std import find_mean_std, read_mean_std
from scripts.pose.text.identity import CLIP
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_file, digest_value
from scripts.shared.torch_archive import read_records

MARDM_FOLDERS = {"sit": "MARDM_SiT_XL", "ddpm": "MARDM_DDPM_XL"}
AE_FILES = {"t2m": "latest.tar", "kit": "net_best_fid.tar"}


@dataclass(frozen=True)
class ModelFiles:
    """A model that is there.

    Attributes:
        kind: `sit` or `ddpm`.
        skeleton: `t2m` or `kit`.
        paths: `ae`, `mardm`, `mean`, `std` and, where lengths are to be estimated, `length_estimator`; or `model`
            alone, a converted file.
        identity: 32 hexadecimal digits that cover everything a pose of a stated length is made with.
        lengths_identity: the same for the length estimator, which is apart so that a first caption without a length
            makes no other pose stale; "" where it is not asked for.
        text_encoder: that the model was trained with.
    """

    kind: str
    skeleton: str
    paths: dict[str, Path]
    identity: str
    lengths_identity: str
    text_encoder: str

    @property
    def is_converted(self) -> bool:
        """Whether it is one file already, `paths["model"]`."""
        return "model" in self.paths

    @property
    def converted_name(self) -> str:
        """File name for what the model is converted to: another one for other content."""
        return f"{self.skeleton}-{self.kind}-{digest_value([self.identity, self.lengths_identity])[:16]}{SUFFIX}"


def find_model(
    checkpoints: Path, kind: str, skeleton: str, mean: str | None, std: str | None, *, needs_lengths: bool
) -> ModelFiles:
    """Find the model that a configuration names.

    The checkpoints' lists of contents are read, not their tensors: 4.6 GB take no longer than 1 MB.

    Args:
        checkpoints: the folder that holds `t2m` or `kit`, or one converted file.
        kind: `sit` or `ddpm`.
        skeleton: `t2m` or `kit`.
        mean: file of the features' mean; looked for by `find_mean_std` where it is None or "". A converted file holds
            its own.
        std: the same for their standard deviation.
        needs_lengths: whether the length estimator is needed.

    Raises:
        ConfigError: a file is missing, cut off, not what it should be, or of another kind or data set.
    """
    if checkpoints.is_file() or checkpoints.suffix == SUFFIX:
        return _converted(checkpoints, kind, skeleton, mean or std, needs_lengths=needs_lengths)
    paths = _official_paths(checkpoints, kind, skeleton, needs_lengths=needs_lengths)
    paths["mean"], paths["std"] = find_mean_std(checkpoints, skeleton, mean, std)
    read_mean_std(paths["mean"], paths["std"], skeleton)
    identity, lengths_identity = identify(paths, kind, skeleton)
    # All official checkpoints were trained with CLIP's vectors.
    return ModelFiles(kind, skeleton, paths, identity, lengths_identity, CLIP)


def identify(paths: dict[str, Path], kind: str, skeleton: str) -> tuple[str, str]:
    """Identity of the official files of a model, and that of its length estimator; as `ModelFiles` has them.

    Raises:
        ConfigError: an archive is not whole.
    """
    weights = {part: archive_digest(paths[part]) for part in ("ae", "mardm")}
    statistics = {part: digest_file(paths[part]) for part in ("mean", "std")}
    estimator = paths.get("length_estimator")
    return (
        digest_value({"kind": kind, "skeleton": skeleton, **weights, **statistics}),
        archive_digest(estimator) if estimator else "",
    )


def archive_digest(path: Path) -> str:
    """32 hexadecimal digits that stand for a file of `torch.save`: for each record's name, size and checksum.

    Raises:
        ConfigError: see `read_records`.
    """
    return digest_value(read_records(path))


def _official_paths(checkpoints: Path, kind: str, skeleton: str, *, needs_lengths: bool) -> dict[str, Path]:
    wanted = {
        "ae": Path(skeleton, "AE", "model", AE_FILES[skeleton]),
        "mardm": Path(skeleton, MARDM_FOLDERS[kind], "model", "latest.tar"),
    }
    if needs_lengths:
        wanted["length_estimator"] = Path(skeleton, "length_estimator", "model", "finest.tar")
    if not checkpoints.is_dir():
        raise ConfigError(
            f"checkpoints: {checkpoints} does not exist; name the folder that holds the official {wanted['mardm']}"
        )
    missing = {part: path for part, path in wanted.items() if not (checkpoints / path).is_file()}
    if missing:
        estimator = " (lengths: a caption states none)" if "length_estimator" in missing else ""
        raise ConfigError(
            f"checkpoints: {checkpoints} lacks {', '.join(map(str, missing.values()))}, which model {kind} for "
            f"skeleton {skeleton} needs{estimator}; {_mend(checkpoints, kind, skeleton)}"
        )
    return {part: checkpoints / path for part, path in wanted.items()}


def _mend(checkpoints: Path, kind: str, skeleton: str) -> str:
    """What to do about missing files, from what lies around."""
    if (checkpoints / "checkpoints" / skeleton).is_dir():
        return f"name {checkpoints / 'checkpoints'}"
    if checkpoints.name == skeleton:
        return f"name the folder above, {checkpoints.parent}"
    others = [other for other in MARDM_FOLDERS if (checkpoints / skeleton / MARDM_FOLDERS[other]).is_dir()]
    if others and kind not in others:
        return f"there is {skeleton}/{MARDM_FOLDERS[others[0]]}: set model: {others[0]}, or fetch the one of {kind}"
    skeletons = [name for name in AE_FILES if (checkpoints / name).is_dir()]
    if skeletons and skeleton not in skeletons:
        return f"there is {skeletons[0]}: set skeleton: {skeletons[0]}, or fetch the files of {skeleton}"
    names = sorted(entry.name for entry in checkpoints.iterdir())
    holds = f"it holds {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}" if names else "it is empty"
    return f"{holds}. Put the official files there under these names"


def _converted(path: Path, kind: str, skeleton: str, statistics: str | None, *, needs_lengths: bool) -> ModelFiles:
    if path.suffix != SUFFIX:
        raise ConfigError(f"checkpoints: {path} is a file; name the folder of the official files, or a *{SUFFIX} file")
    if statistics:
        raise ConfigError(f"{path}: a converted model holds its own mean and std: leave mean and std out")
    header = read_header(path)
    check_wanted(header, path, kind=kind, skeleton=skeleton)
    if needs_lengths and not header.lengths_identity:
        raise ConfigError(
            f"{path}: was converted without a length estimator, which a caption without a length needs; "
            "state all lengths, or name the folder of the official checkpoints"
        )
    lengths_identity = header.lengths_identity if needs_lengths else ""
    return ModelFiles(kind, skeleton, {"model": path}, header.identity, lengths_identity, header.text_encoder)
