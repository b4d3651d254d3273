"""Which pictures a text names, and the other way round: `{split}_texts.jsonl` and `{split}_texts.tr.jsonl`.

Format: OFA-Sys/Chinese-CLIP, README_En.md, "Prepare the dataset".
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.cnclip.data.texts import read_good_texts
from scripts.shared.errors import JobError


@dataclass(frozen=True)
class Annotation:
    """Queries and their right answers, in the order of the file.

    Attributes:
        query_ids: ids of the texts; of the pictures where it is inverted.
        answers: of each query the ids that are right; none where they are not known.
        texts: of each query; empty where the queries are pictures.
    """

    query_ids: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...] = ()

    @property
    def is_hidden(self) -> bool:
        """Whether no query has an answer, as in the test splits of competitions."""
        return not any(self.answers)

    def inverted(self) -> "Annotation":
        """The same pairs asked from the other side: pictures in the order in which the texts first name them."""
        texts_of: dict[int, list[int]] = {}
        for text_id, image_ids in zip(self.query_ids, self.answers, strict=True):
            for image_id in image_ids:
                texts_of.setdefault(image_id, []).append(text_id)
        return Annotation(tuple(texts_of), tuple(map(tuple, texts_of.values())))


def read_annotation(path: Path) -> Annotation:
    """Read `{split}_texts.jsonl`, whose lines are checked.

    Raises:
        JobError: a line is not of the official form, or repeats a text; names the line.
        ConfigError: the file cannot be opened.
    """
    texts = list(read_good_texts(path))
    ids = tuple(text.text_id for text in texts)
    if len(set(ids)) < len(ids):
        repeated = next(number for number, count in Counter(ids).items() if count > 1)
        raise JobError(f"{path}: text_id {repeated} stands there twice; every text has an id of its own")
    return Annotation(ids, tuple(text.image_ids for text in texts), tuple(text.text for text in texts))


def inverted_lines(annotation: Annotation) -> Iterator[str]:
    """Lines of `{split}_texts.tr.jsonl` for an annotation of texts."""
    inverted = annotation.inverted()
    for image_id, text_ids in zip(inverted.query_ids, inverted.answers, strict=True):
        yield json.dumps({"image_id": image_id, "text_ids": list(text_ids)}) + "\n"


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers from 1 and objects of a JSON Lines file; blank lines are passed over.

    Raises:
        JobError: it cannot be read, or a line holds no object; names the line.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise JobError(f"{path}: line {number} is no JSON object; one object a line")
                yield number, row
    except OSError as error:
        raise JobError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise JobError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except ValueError as error:
        raise JobError(f"{path}: a line is no JSON ({error}); one object a line") from error
