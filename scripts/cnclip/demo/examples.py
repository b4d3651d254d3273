"""Pictures of a data set with their captions, as files that anybody can open."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.cnclip.data.picture_list import read_pictures
from scripts.cnclip.data.pictures import picture_facts
from scripts.cnclip.data.texts import Text, read_good_texts, read_texts
from scripts.cnclip.data.tsv import open_tsv, picture_at
from scripts.shared.errors import ConfigError

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "BMP": ".bmp", "WEBP": ".webp", "TIFF": ".tif"}


@dataclass(frozen=True)
class Split:
    """A split whose pictures and texts were checked.

    Attributes:
        tsv: file of its pictures.
        pictures: list of the good ones, see `picture_list`.
        texts: the good texts.
        translations: the same texts by language, with the same ids, as the user has them; bad lines are passed over.
    """

    tsv: Path
    pictures: Path
    texts: Path
    translations: Mapping[str, Path]


def write_examples(split: Split, folder: Path, *, n: int, seed: int) -> list[str]:
    """Write example pictures, `<image_id>.jpg` or the like, and `captions.jsonl`.

    A line of it is `{"picture": file name, "zh": caption, ...}`, with the other languages that there are.

    Args:
        split: where to take them.
        folder: exists, and is empty.
        n: how many at most; each belongs to a text of its own.
        seed: of the choice.

    Returns:
        The languages of the captions, Chinese first.

    Raises:
        ConfigError: no text has a picture.
        JobError: the files are not as they were checked.
    """
    pictures = read_pictures(split.pictures)
    rows = {image_id: row for row, image_id in enumerate(pictures.image_ids.tolist())}
    translated = {
        language: {line.text.text_id: line.text.text for line in read_texts(path) if line.text}
        for language, path in sorted(split.translations.items())
    }
    lines = []
    with open_tsv(split.tsv) as file:
        for image_id, text in _chosen(list(read_good_texts(split.texts)), set(rows), n, seed):
            row = rows[image_id]
            data = picture_at(file, int(pictures.offsets[row]), int(pictures.lengths[row]), image_id)
            name = f"{image_id}{_SUFFIXES[picture_facts(data).format]}"
            (folder / name).write_bytes(data)
            captions = {"zh": text.text} | {
                language: texts[text.text_id] for language, texts in translated.items() if text.text_id in texts
            }
            lines.append(json.dumps({"picture": name, **captions}, ensure_ascii=False) + "\n")
    if not lines:
        raise ConfigError(f"{split.texts}: no text names a picture of {split.tsv.name}; the demo has nothing to show")
    (folder / "captions.jsonl").write_text("".join(lines), encoding="utf-8")
    return ["zh", *translated]


def _chosen(texts: list[Text], there: set[int], n: int, seed: int) -> list[tuple[int, Text]]:
    """Pictures, each with a text that no other one of them has, by ids ascending."""
    chosen: dict[int, Text] = {}
    taken: set[int] = set()
    for number in np.random.default_rng(seed).permutation(len(texts)).tolist():
        text = texts[number]
        image_ids = [image_id for image_id in text.image_ids if image_id in there]
        if len(chosen) < n and image_ids and taken.isdisjoint(image_ids):
            chosen[image_ids[0]] = text
            taken.update(image_ids)
    return sorted(chosen.items())
