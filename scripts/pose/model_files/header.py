"""What a converted model says of itself. Light: planning calls it."""

from dataclasses import dataclass
from pathlib import Path

from scripts.shared.errors import ConfigError
from scripts.shared.safetensors_table import read_table

FORMAT = "polymill pose model 1"
SUFFIX = ".safetensors"
_CONVERT = "name the folder of the official checkpoints, which is converted by itself"


@dataclass(frozen=True)
class Header:
    """What a converted model says of itself.

    Attributes:
        kind: `sit` or `ddpm`; nothing else tells the two apart.
        skeleton: `t2m` or `kit`.
        identity: hexadecimal digits that stand for the weights, mean and standard deviation.
        lengths_identity: the same for the length estimator; "" where there is none.
        heads: of the attention.
        text_encoder: that it was trained with.
    """

    kind: str
    skeleton: str
    identity: str
    lengths_identity: str
    heads: int
    text_encoder: str


def read_header(path: Path) -> Header:
    """Read the beginning of a converted model, and compare what it announces with the file's size.

    Raises:
        ConfigError: the file cannot be read, is cut off, or is no model that was converted here.
    """
    try:
        table = read_table(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: no safetensors file, or one cut off at its beginning; {_CONVERT}") from error
    metadata = table.metadata
    if metadata.get("format") != FORMAT:
        found = f"says {metadata['format']!r}" if "format" in metadata else "does not say what it is"
        raise ConfigError(f"{path}: no model that was converted here: it {found}, not {FORMAT!r}; {_CONVERT}")
    if table.n_bytes != table.announced:
        raise ConfigError(
            f"{path}: has {table.n_bytes:,} bytes of {table.announced:,}, so it is not whole; copy or convert it again"
        )
    try:
        return Header(
            kind=metadata["kind"],
            skeleton=metadata["skeleton"],
            identity=metadata["identity"],
            lengths_identity=metadata["lengths_identity"],
            heads=int(metadata["heads"]),
            text_encoder=metadata["text_encoder"],
        )
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{path}: its header lacks or spoils {error}; {_CONVERT}") from error


def check_wanted(header: Header, path: Path, *, kind: str, skeleton: str) -> None:
    """See that a converted model is the one asked for.

    Raises:
        ConfigError: it is of another kind or for another skeleton.
    """
    for option, wanted, found in (("model", kind, header.kind), ("skeleton", skeleton, header.skeleton)):
        if found != wanted:
            raise ConfigError(
                f"{path}: was converted as {option} {found}, but {option}: {wanted} is asked for; "
                f"set {option}: {found}, or name the checkpoints of {wanted}"
            )
