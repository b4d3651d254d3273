"""Which samples of a dataset are made (`select:`), and the keyed hash behind every random draw.

Pure functions of the sample keys: the same keys, seed and `select` give the same positions on any machine,
in any order of work and with any number of workers.
"""

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from scripts.shared.errors import ConfigError

ALLOWED_FORMS = "all, first:1000, range:1000-2000, random:100, file:names.txt, or a list of names"

_COUNTED = re.compile(r"(first|random):([0-9]{1,18})")
_RANGE = re.compile(r"range:([0-9]{1,18})-([0-9]{1,18})")


@dataclass(frozen=True)
class Selection:
    """One parsed `select:` value; only the fields of its kind mean something.

    Attributes:
        kind: which form was written.
        count: samples kept by `first` and `random`.
        start: first position that `range` keeps, 0-based.
        stop: first position after those that `range` keeps.
        path: the list of keys that `file` names.
        keys: the keys that `keys` lists.
    """

    kind: Literal["all", "first", "range", "random", "file", "keys"]
    count: int = 0
    start: int = 0
    stop: int = 0
    path: Path | None = None
    keys: tuple[str, ...] = ()


def parse_selection(text: str | Sequence[str]) -> Selection:
    """Read a `select:` value.

    Args:
        text: `all`, `first:N`, `range:A-B` (positions from 0, A included, B excluded), `random:N` or
            `file:PATH`; or a list of keys, also one in which a key stands more than once.

    Returns:
        The selection; a file that it names is read by `select_keys`, not here.

    Raises:
        ConfigError: another form, a count of 0, or a range that holds no position.
    """
    if not isinstance(text, str):
        if not text:
            raise ConfigError("select: the list names no sample; write one key or more, or all")
        return Selection("keys", keys=tuple(text))
    text = text.strip()
    if text == "all":
        return Selection("all")
    if text.startswith("file:") and text[5:].strip():
        return Selection("file", path=Path(text[5:].strip()))
    if match := _COUNTED.fullmatch(text):
        count = int(match[2])
        if count == 0:
            raise ConfigError(f"select: {text!r} keeps no sample; the number must be 1 or more")
        return Selection("first" if match[1] == "first" else "random", count=count)
    if match := _RANGE.fullmatch(text):
        start, stop = int(match[1]), int(match[2])
        if start >= stop:
            raise ConfigError(
                f"select: {text!r} keeps no sample; positions start at 0 and the end is not included, "
                f"so the end must be above the start, such as range:{start}-{start + 1000}"
            )
        return Selection("range", start=start, stop=stop)
    raise ConfigError(f"select: {text!r} is none of the allowed forms: {ALLOWED_FORMS}")


def select_keys(keys: Sequence[str], selection: Selection, *, seed: int) -> list[int]:
    """Positions of the samples that a selection keeps.

    `random` keeps the keys with the smallest keyed hashes. It depends on no order, and a key added to the
    list displaces at most one of those kept before.

    Args:
        keys: (n,) sample keys in list order.
        selection: what to keep. A count or range that reaches past the list keeps what is there.
        seed: seed of the dataset; only `random` depends on it.

    Returns:
        Positions kept, ascending.

    Raises:
        ConfigError: the file of names cannot be read or is empty, or a key that is named does not exist.
    """
    if selection.kind == "first":
        return list(range(min(selection.count, len(keys))))
    if selection.kind == "range":
        return list(range(selection.start, min(selection.stop, len(keys))))
    if selection.kind == "random":
        # Some 110 bytes a key, two seconds a million keys. A heap would hold less, but takes five times as long
        # where half of a list is kept. Sorting is stable, so that equal keys are told apart by position.
        hashes = array("Q", (keyed_hash(seed, key) for key in keys))
        return sorted(sorted(range(len(keys)), key=hashes.__getitem__)[: selection.count])
    if selection.path is not None:
        return _select_named(keys, _read_names(selection.path), f"{selection.path}: ")
    if selection.kind == "keys":
        return _select_named(keys, dict.fromkeys(selection.keys))
    return list(range(len(keys)))


def choose(keys: Sequence[str], *, select: str | Sequence[str], seed: int) -> Sequence[int]:
    """Positions of the samples that a dataset's option `select` keeps, ascending.

    Args:
        keys: (n,) sample keys in list order.
        select: see `parse_selection`.
        seed: see `select_keys`.

    Raises:
        ConfigError: see both.
    """
    selection = parse_selection(select)
    # A range holds no number: most datasets keep all of their million samples.
    return range(len(keys)) if selection.kind == "all" else select_keys(keys, selection, seed=seed)


def keyed_hash(seed: int, key: str) -> int:
    """Hash of (seed, key): where per-sample randomness comes from, but for a pose's noise, which takes all of SHA-256.

    Everything random about a sample (its split, whether `random:` keeps it, the seed of its generator) is
    drawn from this number, never from a position in a list or batch, a worker or the time; so a sample
    stays what it is when others are added, reordered or resumed. For several draws for one sample add the
    purpose to the key, such as `f"{key}/noise"`.

    Args:
        seed: any integer.
        key: sample key; lone surrogates (file names that are not UTF-8) are accepted.

    Returns:
        64-bit hash, 0 <= hash < 2**64: the first 8 bytes, big-endian, of the 8-byte blake2b of the seed in
        decimal, a NUL byte, and the key in UTF-8. Equal on every machine and Python version.
    """
    # A decimal number holds no NUL, so that no two pairs of seed and key give the same bytes.
    message = b"%d\0" % seed + key.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(message, digest_size=8).digest(), "big")


def _select_named(keys: Sequence[str], wanted: dict[str, None], where: str = "") -> list[int]:
    """Positions of the keys that are named, ascending; see `select_keys`."""
    kept = [position for position, key in enumerate(keys) if key in wanted]
    known = {keys[position] for position in kept}
    missing = [name for name in wanted if name not in known]
    if missing:
        first = ", ".join(repr(name) for name in missing[:3])
        raise ConfigError(
            f"select: {where}{len(missing)} of {len(wanted)} names are no sample of this dataset, "
            f"such as {first}; remove them or mend their spelling"
        )
    return kept


def _read_names(path: Path) -> dict[str, None]:
    """Names in a file in its order, each once; blank lines and lines that start with `#` are skipped."""
    try:
        # Not `splitlines`, which would also cut a name at a vertical tab or U+2028.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ConfigError(
            f"select: {path} cannot be read ({error.strerror}); paths are relative to the folder that snakemake runs in"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"select: {path} is not UTF-8 text; save it as UTF-8") from None
    stripped = (line.strip() for line in lines)
    names = dict.fromkeys(name for name in stripped if name and not name.startswith("#"))
    if not names:
        raise ConfigError(f"select: {path} lists no name; write one sample key a line")
    return names
