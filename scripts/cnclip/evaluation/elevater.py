"""Labelled pictures in the ELEVATER layout: `label_cn.txt`, `label.txt` and `test/<class>/`.

Format: OFA-Sys/Chinese-CLIP, zeroshot_dataset_en.md: folders are `0` ... `9` up to ten classes, `000` ... above, so
that alphabetical order is the order of the classes; line k (from 0) of `label_cn.txt` names class k.
"""

import json
from pathlib import Path
from typing import NamedTuple

from scripts.shared.errors import ConfigError

_ONE_DIGIT = 10  # classes


class LabelledPictures(NamedTuple):
    """Pictures in the official order, and what each shows.

    Attributes:
        labels: names of the classes, in Chinese.
        paths: the pictures, by class and then by name.
        targets: of each its class.
    """

    labels: list[str]
    paths: list[Path]
    targets: list[int]


def read_elevater(root: Path) -> LabelledPictures:
    """Read the test part of a set.

    Args:
        root: its folder. Its `index.json`, if any, is a list that says which picture stands at each place instead.

    Raises:
        ConfigError: labels and folders do not fit, or there are no pictures; names the file and the mend.
    """
    labels = _labels(root / "label_cn.txt")
    if (english := root / "label.txt").exists() and len(_labels(english)) != len(labels):
        raise ConfigError(
            f"{root}: label_cn.txt names {len(labels)} classes and label.txt {len(_labels(english))}; a line a class"
        )
    width = 1 if len(labels) <= _ONE_DIGIT else 3
    expected = [f"{number:0{width}d}" for number in range(len(labels))]
    try:
        found = sorted(path.name for path in (root / "test").iterdir() if path.is_dir())
    except OSError as error:
        raise ConfigError(f"{root / 'test'}: {error.strerror}; it holds a folder of pictures a class") from error
    if found != expected:
        odd = sorted(set(found) ^ set(expected))
        raise ConfigError(
            f"{root / 'test'}: label_cn.txt names {len(labels)} classes, so the folders are {expected[0]} to "
            f"{expected[-1]}; {', '.join(odd[:5])} {'is' if len(odd) == 1 else 'are'} "
            f"{'missing' if odd[0] in expected else 'none of them'}"
        )
    paths, targets = [], []
    for target, name in enumerate(expected):
        inside = sorted(path for path in (root / "test" / name).iterdir() if path.is_file())
        paths += inside
        targets += [target] * len(inside)
    if not paths:
        raise ConfigError(f"{root / 'test'}: no pictures in its folders")
    order = _order(root / "index.json", len(paths))
    return LabelledPictures(labels, [paths[at] for at in order], [targets[at] for at in order])


def _labels(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; it names a class a line") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from error
    labels = [line.strip() for line in lines]
    while labels and not labels[-1]:
        labels.pop()
    if not labels or "" in labels:
        where = f"line {labels.index('') + 1} is empty" if labels else "it is empty"
        raise ConfigError(f"{path}: {where}; it names a class a line")
    return labels


def _order(path: Path, n: int) -> list[int]:
    if not path.exists():
        return list(range(n))
    try:
        order = json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{path}: no JSON ({error})") from error
    if not isinstance(order, list) or any(type(at) is not int for at in order) or sorted(order) != list(range(n)):
        raise ConfigError(f"{path}: not a list of the numbers 0 to {n - 1} in some order; there are {n} pictures")
    return order
