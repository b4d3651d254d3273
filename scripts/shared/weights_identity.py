"""Which weights a file holds, told without loading it. Light, since planning asks it."""

from pathlib import Path
from typing import BinaryIO

from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_bytes, digest_value
from scripts.shared.safetensors_table import read_table
from scripts.shared.torch_archive import is_archive, list_records

_SAMPLE_BYTES = 4096


def contents_digest(path: Path, *, what: str, wanted: str) -> str:
    """Digest of a file's table of contents; of safetensors, whose table has no checksums, of some bytes too.

    Args:
        path: a file of safetensors, of `torch.save` or of TorchScript.
        what: the option or package that names it, as an error should begin.
        wanted: what to name instead, as an error should end.

    Returns:
        32 hexadecimal digits; equal for copies, whatever their names and times.

    Raises:
        ConfigError: it cannot be read, or is no whole file of weights.
    """
    try:
        return digest_value(list_records(path)) if is_archive(path) else _safetensors_digest(path, what, wanted)
    except OSError as error:
        raise ConfigError(f"{what}: {path} cannot be read: {error.strerror}") from error


def _safetensors_digest(path: Path, what: str, wanted: str) -> str:
    """Digest of the header, which has every name, shape and place, and of the first bytes of each tensor.

    The header alone is the same for any two trainings of one architecture.
    """
    try:
        table = read_table(path)
    except ValueError as error:
        raise ConfigError(f"{what}: {path} is no whole file of weights; {wanted}") from error
    if table.n_bytes != table.announced:
        raise ConfigError(
            f"{what}: {path} has {table.n_bytes:,} bytes of {table.announced:,}, so it was not copied whole; copy it "
            "again"
        )
    with path.open("rb") as file:
        samples = [_sample(file, start, end) for start, end in table.places]
    return digest_value([digest_bytes(table.header), samples])


def _sample(file: BinaryIO, start: int, end: int) -> str:
    file.seek(start)
    return digest_bytes(file.read(min(_SAMPLE_BYTES, max(0, end - start))))
