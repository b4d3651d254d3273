"""The good pictures and texts of one split, and what is wrong with the others.

Of a picture only its ids, place and hash are held, of a text its id, so that two million take a few hundred megabytes.
"""

import hashlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.data.checking import read_receipt
from scripts.cnclip.data.picture_list import PictureList, write_pictures
from scripts.cnclip.data.texts import Text, TextLine, begins_with_mark, read_texts, text_row
from scripts.shared import atomic_files
from scripts.shared.index_files import Failure, counts

GALLERY_AT_LEAST = 10  # the official predictions list exactly ten pictures

_IDS_NAMED = 5  # in one message


class _Pictures(NamedTuple):
    """What the receipts of a split tell.

    Attributes:
        listed: the good ones, each id once.
        sha1: (n, 20) uint8, of their bytes.
        kinds: how many there are by format, by mode, and animated.
        failed: the others, in file order.
        bad_ids: ids of those that stand in the file and cannot be used.
    """

    listed: PictureList
    sha1: NDArray[np.uint8]
    kinds: dict[str, Any]
    failed: list[Failure]
    bad_ids: set[int]


def make_tables(
    receipts: Sequence[Path], texts: Path, *, split: str, good_pictures: Path, good_texts: Path, rest: Path
) -> None:
    """Check the ids of a split and write its lists.

    Args:
        receipts: of `check_shard`, all of the split in order.
        texts: `{split}_texts.jsonl`.
        split: `train`, `valid` or `test`.
        good_pictures: `.npz` to write; see `write_pictures`.
        good_texts: JSON Lines to write in the official form: texts with at least one good picture, or none named at
            all, in file order, with the ids of good pictures only.
        rest: JSON to write for `join_checks`: `facts` of the split, and `failures`.

    Raises:
        ConfigError: the texts cannot be read.
        JobError: a receipt is damaged.
    """
    pictures = _read_receipts(receipts, split)
    digest = hashlib.sha256(pictures.listed.image_ids.astype("<i8").tobytes() + pictures.sha1.tobytes())
    sifting = _Sifting(split, texts.name, pictures)
    with atomic_files.open_new(good_texts) as file:
        for text in sifting.good(read_texts(texts)):
            row = text_row(text).encode()
            digest.update(row)
            file.write(row)
    n_pictures = len(pictures.listed.image_ids)
    notes = _notes(pictures.kinds)
    if begins_with_mark(texts):
        notes.append(f"{texts.name} begins with a byte order mark, at which upstream's readers stop; it is passed over")
    if n_pictures < GALLERY_AT_LEAST:
        notes.append(f"{n_pictures} pictures; official predictions list ten, so none can be handed in for this split")
    lost = pictures.failed + sifting.failed
    facts = {
        "pictures": {"ok": n_pictures, "failed": len(pictures.failed), **pictures.kinds},
        "texts": {"ok": sifting.n_good, "failed": len(sifting.failed), "without_pictures": sifting.n_hidden},
        "pairs": sifting.n_pairs,
        "dangling_pairs": len(sifting.lost_pairs),
        "errors": counts(failure.error for failure in lost),
        "notes": notes,
        "digest": digest.hexdigest(),
    }
    write_pictures(good_pictures, pictures.listed, pictures.sha1)
    atomic_files.write_json(rest, {"facts": facts, "failures": lost + sifting.lost_pairs})


def _read_receipts(receipts: Sequence[Path], split: str) -> _Pictures:
    ids, offsets, lengths, sha1 = array("q"), array("q"), array("q"), bytearray()
    formats: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    n_animated = 0
    lost: list[tuple[int, int | None, str, str]] = []  # offset, id, error, message
    for row in chain.from_iterable(map(read_receipt, receipts)):
        if "error" in row:
            lost.append((row["offset"], row["image_id"], row["error"], row["message"]))
            continue
        ids.append(row["image_id"])
        offsets.append(row["offset"])
        lengths.append(row["length"])
        sha1 += bytes.fromhex(row["sha1"])
        formats[row["format"]] += 1
        modes[row["mode"]] += 1
        n_animated += row["animated"]
    listed = PictureList(*(np.array(column, np.int64) for column in (ids, offsets, lengths)))
    _, first, of_first = np.unique(listed.image_ids, return_index=True, return_inverse=True)
    kept = np.zeros(len(ids), bool)
    kept[first] = True
    for again in np.flatnonzero(~kept).tolist():
        used = offsets[int(first[of_first[again]])]
        message = f"picture {ids[again]} stands at byte {used} already, and that one is used; give it an id of its own"
        lost.append((offsets[again], ids[again], "duplicate_id", message))
    lost.sort(key=lambda row: row[0])
    source = f"{split}_imgs.tsv"
    failed = [
        Failure(f"{split} image {'without id' if i is None else i}", f"{source}: byte {offset}", error, message)
        for offset, i, error, message in lost
    ]
    kinds = {"formats": counts(formats.elements()), "modes": counts(modes.elements()), "animated": n_animated}
    hashes = np.frombuffer(bytes(sha1), np.uint8).reshape(-1, 20)
    good = PictureList(*(column[kept] for column in listed))
    return _Pictures(good, hashes[kept], kinds, failed, {i for _, i, _, _ in lost if i is not None})


def _notes(kinds: Mapping[str, Any]) -> list[str]:
    """What becomes of pictures that are no plain ones."""
    n_deep = sum(n for mode, n in kinds["modes"].items() if mode.startswith("I"))
    n_cmyk = kinds["modes"].get("CMYK", 0)
    said = [
        (n_deep, "of 16-bit grey: their high byte is used; upstream cuts all above 255, which leaves white"),
        (n_cmyk, "of CMYK: they become RGB without a colour profile, as upstream's do"),
        (kinds["animated"], "with several frames: the first is used"),
    ]
    return [f"{n:,} pictures {what}" for n, what in said if n]


class _Sifting:
    """Tells the good texts of a split from the others.

    Attributes:
        failed: the others.
        lost_pairs: pictures that a good text names and that are not in the TSV.
        n_good: texts kept.
        n_hidden: of these, those that name no picture.
        n_pairs: pairs of a text with a picture.
    """

    def __init__(self, split: str, source: str, pictures: _Pictures) -> None:
        self._split, self._source = split, source
        self._good = array("q", np.sort(pictures.listed.image_ids).tobytes())
        self._bad = pictures.bad_ids
        self._seen: set[int] = set()
        self.failed: list[Failure] = []
        self.lost_pairs: list[Failure] = []
        self.n_good = self.n_hidden = self.n_pairs = 0

    def good(self, rows: Iterable[TextLine]) -> Iterator[Text]:
        """Yield the good texts, with the ids of good pictures only."""
        for row in rows:
            if row.text is None:
                if row.error is not None:
                    self._fail(row, row.error.error, row.error.message)
            elif row.text.text_id in self._seen:
                self._fail(row, "duplicate_id", f"text {row.text_id} stands in an earlier line, and that one is used")
            else:
                self._seen.add(row.text.text_id)
                there = tuple(i for i in row.text.image_ids if self._is_good(i))
                dangling = [i for i in row.text.image_ids if i not in there and i not in self._bad]
                if row.text.image_ids and not there:
                    self._fail(row, *_without_picture(row.text, dangling))
                    continue
                self.lost_pairs += (self._failure(row, f" image {i}", "dangling_id", _ABSENT) for i in dangling)
                self.n_good += 1
                self.n_hidden += not there
                self.n_pairs += len(there)
                yield row.text._replace(image_ids=there)

    def _is_good(self, image_id: int) -> bool:
        place = bisect_left(self._good, image_id)
        return place < len(self._good) and self._good[place] == image_id

    def _fail(self, row: TextLine, error: str, message: str) -> None:
        self.failed.append(self._failure(row, "", error, message))

    def _failure(self, row: TextLine, of: str, error: str, message: str) -> Failure:
        name = "without id" if row.text_id is None else row.text_id
        return Failure(f"{self._split} text {name}{of}", f"{self._source}: line {row.number}", error, message)


_ABSENT = "no picture has this id; the text is used with its other pictures"


def _without_picture(text: Text, dangling: Sequence[int]) -> tuple[str, str]:
    ids = ", ".join(map(str, (dangling or text.image_ids)[:_IDS_NAMED]))
    if dangling:
        return "dangling_id", f"no picture has the id {ids}, and the text has no other"
    return "no_good_picture", f"picture {ids} cannot be used, and the text has no other"
