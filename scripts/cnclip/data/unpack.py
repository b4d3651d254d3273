"""An LMDB of the official layout as the TSV and JSON Lines that it was made from."""

import json
import logging
from pathlib import Path
from typing import NamedTuple

from scripts.cnclip.data.lmdb_files import PAIRS, PairsLmdb
from scripts.cnclip.data.texts import Text, text_row
from scripts.shared import atomic_files
from scripts.shared.errors import SampleError

_BREAKS = b"\t\r\n\0"  # would end a field or a line of a TSV

log = logging.getLogger(__name__)


class _Pair(NamedTuple):
    number: int
    image_id: int
    text_id: int
    text: str


def lmdb_to_files(lmdb_dir: Path, tsv: Path, jsonl: Path) -> None:
    """Write the pictures and texts of an LMDB as files, which are then checked as any others.

    Pictures come in the order of the database, texts in that of the pairs. What an LMDB does not hold cannot come
    back: texts without a picture. A pair that cannot be read becomes a line without ids that tells why, so that the
    check lists it among the failures.

    Args:
        lmdb_dir: with `pairs` and `imgs`, such as `lmdb/train`.
        tsv: `{split}_imgs.tsv` to write.
        jsonl: `{split}_texts.jsonl` to write.

    Raises:
        ConfigError: `lmdb_dir` is no LMDB of the official layout.
    """
    database = PairsLmdb(lmdb_dir)
    n_pairs = database.n_pairs
    with atomic_files.open_new(tsv) as file:
        for image_id in database.image_ids():
            file.write(b"%d\t%b\n" % (image_id, database.base64(image_id).translate(None, _BREAKS)))
    with atomic_files.open_new(jsonl) as file:
        together: list[_Pair] = []
        for number in range(n_pairs):
            try:
                pair = _Pair(number, *database.pair(number))
            except SampleError as error:
                log.warning("%s", error.message)
                file.write(_row(together))
                reason = error.message.removeprefix(f"{database.folder / PAIRS}: ")
                file.write(json.dumps({"error": reason}).encode() + b"\n")
                together = []
                continue
            if together and (pair.text_id, pair.text) != (together[0].text_id, together[0].text):
                file.write(_row(together))
                together = []
            together.append(pair)
        file.write(_row(together))


def _row(pairs: list[_Pair]) -> bytes:
    """Pairs of one text as its line; nothing for none."""
    if not pairs:
        return b""
    text = Text(pairs[0].text_id, pairs[0].text, tuple(dict.fromkeys(pair.image_id for pair in pairs)))
    return text_row(text).encode(errors="backslashreplace")
