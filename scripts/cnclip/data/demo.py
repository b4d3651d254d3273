"""The demo: 21 real photos on coloured grounds, with captions that tell subject, colour and place.

Every combination of subject, colour and place is one product picture's recipe. They are split by combination, so that
the test asks for what was never seen in training. The photos are those that the wheels of scikit-image and
scikit-learn hold; the packages themselves are not imported.
"""

import base64
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from scripts.cnclip.data.texts import Text, text_row
from scripts.cnclip.places import CREDITS, SPLITS
from scripts.shared.errors import ConfigError
from scripts.shared.new_folder import new_folder

SIZE = 96  # pixels, of every picture

_FILES = {
    *(f"{split}_{kind}" for split in SPLITS for kind in ("imgs.tsv", "texts.jsonl", "texts.en.jsonl")),
    *("parallel.jsonl", "zeroshot", CREDITS),
}

_PASTED = (44, 60)  # pixels, smallest and largest side of a photo on its ground
_MARGIN, _JITTER = 3, 4  # pixels from the edge, and how far a photo is moved at most
_QUALITY = 90  # of the JPEG files
_PICTURES = {"train": 4, "valid": 2, "test": 2}  # of each combination


class Subject(NamedTuple):
    """A photo and its names."""

    package: str
    file: str
    zh: str
    en: str


_SKIMAGE, _SKLEARN = "scikit-image", "scikit-learn"
SUBJECTS = (
    Subject(_SKIMAGE, "astronaut.png", "宇航员", "astronaut"),
    Subject(_SKIMAGE, "chelsea.png", "猫", "cat"),
    Subject(_SKIMAGE, "coffee.png", "咖啡", "cup of coffee"),
    Subject(_SKIMAGE, "hubble_deep_field.jpg", "星空", "starry sky"),
    Subject(_SKIMAGE, "ihc.png", "病理切片", "tissue section"),
    Subject(_SKIMAGE, "motorcycle_left.png", "摩托车", "motorcycle"),
    Subject(_SKIMAGE, "retina.jpg", "眼底", "retina"),
    Subject(_SKIMAGE, "rocket.jpg", "火箭", "rocket"),
    Subject(_SKIMAGE, "color.png", "色轮", "colour wheel"),
    Subject(_SKIMAGE, "brick.png", "砖墙", "brick wall"),
    Subject(_SKIMAGE, "camera.png", "摄影师", "photographer"),
    Subject(_SKIMAGE, "cell.png", "细胞", "cell"),
    Subject(_SKIMAGE, "coins.png", "硬币", "coins"),
    Subject(_SKIMAGE, "grass.png", "草地", "grass"),
    Subject(_SKIMAGE, "gravel.png", "碎石", "gravel"),
    Subject(_SKIMAGE, "horse.png", "马", "horse"),
    Subject(_SKIMAGE, "clock_motion.png", "时钟", "clock"),
    Subject(_SKIMAGE, "moon.png", "月亮", "moon"),
    Subject(_SKIMAGE, "page.png", "书页", "page of a book"),
    Subject(_SKLEARN, "china.jpg", "古塔", "pagoda"),
    Subject(_SKLEARN, "flower.jpg", "花朵", "flower"),
)
_FOLDERS = {_SKIMAGE: ("skimage", "data"), _SKLEARN: ("sklearn", "datasets/images")}
_COLOURS = (
    ("红色", "red", (196, 40, 44)),
    ("绿色", "green", (44, 150, 70)),
    ("蓝色", "blue", (44, 84, 190)),
    ("黄色", "yellow", (236, 206, 60)),
    ("白色", "white", (246, 246, 246)),
    ("黑色", "black", (22, 22, 24)),
)
# Names, and where along the width and the height the photo lies: 0 left or top, 1 right or bottom.
_PLACES = (
    ("左上角", "top left corner", (0.0, 0.0)),
    ("右上角", "top right corner", (1.0, 0.0)),
    ("左下角", "bottom left corner", (0.0, 1.0)),
    ("右下角", "bottom right corner", (1.0, 1.0)),
    ("中间", "middle", (0.5, 0.5)),
)
_TEMPLATES = (
    ("{colour}背景上{place}的{subject}", "{subject} on a {colour} ground, in the {place}"),
    ("{place}有{subject}的{colour}图片", "a {colour} picture with {subject} in the {place}"),
    ("{subject}的商品图：{colour}底、位于{place}", "product picture of {subject}: {colour}, placed in the {place}"),  # noqa: RUF001
)


@dataclass(frozen=True)
class Combination:
    """A subject on a colour at a place, as numbers into the tables above."""

    number: int
    subject: int
    colour: int
    place: int

    def captions(self) -> list[tuple[str, str]]:
        """The Chinese and the English caption by each of the templates."""
        names = [
            {"subject": subject, "colour": colour, "place": place}
            for subject, colour, place in zip(
                SUBJECTS[self.subject][2:], _COLOURS[self.colour][:2], _PLACES[self.place][:2], strict=True
            )
        ]
        return [(zh.format(**names[0]), en.format(**names[1])) for zh, en in _TEMPLATES]


def make_demo(target_root: Path, seed: int = 123, *, n: int = 630) -> None:
    """Write the demo dataset; equal arguments give equal bytes with one version of Pillow.

    Args:
        target_root: the folder to make: `{train,valid,test}_imgs.tsv` and `_texts.jsonl`, `{valid,test}_texts.en.jsonl`
            (the same questions in English), `parallel.jsonl` (`{"zh", "en"}` of every caption of the training split),
            `zeroshot/subjects` in the ELEVATER layout, and `CREDITS.md`. A demo that is there is replaced.
        seed: of which combination goes where, and of each picture's crop, size and tint.
        n: combinations, from 7 to 630: 70 % to train, 15 % each to valid and test.

    Raises:
        ConfigError: `target_root` holds something else.
        PackageNotFoundError: scikit-image or scikit-learn is missing.
    """
    strangers = sorted({path.name for path in target_root.glob("*")} - _FILES)
    if strangers:
        raise ConfigError(f"{target_root}: holds {strangers[0]!r}, which is not of the demo; name another folder")
    splits = _split(seed, n)
    photos = [_photo(subject) for subject in SUBJECTS]
    first_image = first_text = 1
    with new_folder(target_root) as made:
        for split, combinations in splits.items():
            numbered = enumerate((one, copy) for one in combinations for copy in range(_PICTURES[split]))
            pictures = [
                (first_image + number, one, _jpeg(_picture(photos, one, (seed, one.number, copy))))
                for number, (one, copy) in numbered
            ]
            _write_pictures(made / f"{split}_imgs.tsv", pictures)
            first_text += _write_texts(made, split, combinations, first_image, first_text, seed)
            if split == "test":
                _write_zeroshot(made / "zeroshot" / "subjects", pictures)
            first_image += len(pictures)
        _write_lines(made / CREDITS, [_credits()])


def _split(seed: int, n: int) -> dict[str, list[Combination]]:
    shape = (len(SUBJECTS), len(_COLOURS), len(_PLACES))
    n_all = int(np.prod(shape))
    if not 7 <= n <= n_all:
        raise ConfigError(f"the demo has 7 to {n_all} combinations, not {n}")
    drawn = np.random.default_rng(seed).permutation(n_all)[:n].tolist()
    numbered = [Combination(number, *map(int, np.unravel_index(number, shape))) for number in drawn]
    ends = (round(0.7 * n), round(0.7 * n) + int(0.15 * n), n)
    return {split: numbered[start:end] for split, start, end in zip(SPLITS, (0, *ends), ends, strict=False)}


def _photo(subject: Subject) -> Image.Image:
    package, below = _FOLDERS[subject.package]
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise PackageNotFoundError(subject.package)
    with Image.open(Path(found.submodule_search_locations[0]) / below / subject.file) as picture:
        rgba = picture.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def _picture(photos: Sequence[Image.Image], combination: Combination, key: tuple[int, ...]) -> Image.Image:
    """One product picture: a random crop of the photo, its size, shift and tint by a generator of its own."""
    draws = np.random.default_rng(key)
    photo = photos[combination.subject]
    side = draws.uniform(0.72, 1.0) * min(photo.size)
    left, top = (draws.uniform(0, length - side) for length in photo.size)
    pasted = int(draws.integers(_PASTED[0], _PASTED[1] + 1))
    cut = photo.resize((pasted, pasted), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
    tinted = np.asarray(cut, np.float64) * draws.uniform(0.88, 1.12, 3)
    cut = Image.fromarray(np.clip(np.rint(tinted), 0, 255).astype(np.uint8))
    ground = np.array(_COLOURS[combination.colour][2]) + draws.integers(-8, 9, 3)
    picture = Image.new("RGB", (SIZE, SIZE), tuple(np.clip(ground, 0, 255).tolist()))
    room = SIZE - pasted - 2 * _MARGIN
    shift = draws.integers(-_JITTER, _JITTER + 1, 2)
    along = [_MARGIN + round(part * room) for part in _PLACES[combination.place][2]]
    x, y = np.clip(np.array(along) + shift, 0, SIZE - pasted).tolist()
    picture.paste(cut, (x, y))
    return picture


def _jpeg(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=_QUALITY)
    return content.getvalue()


def _write_pictures(path: Path, pictures: Sequence[tuple[int, Combination, bytes]]) -> None:
    _write_lines(path, (f"{image_id}\t{base64.b64encode(data).decode()}\n" for image_id, _, data in pictures))


def _write_texts(
    folder: Path, split: str, combinations: Sequence[Combination], first_image: int, first_text: int, seed: int
) -> int:
    """Write a split's captions: by all templates to train, else by one that is drawn; how many there are."""
    asked: list[tuple[str, str, tuple[int, ...]]] = []
    for number, combination in enumerate(combinations):
        first = first_image + number * _PICTURES[split]
        image_ids = tuple(range(first, first + _PICTURES[split]))
        captions = combination.captions()
        if split != "train":
            captions = [captions[np.random.default_rng((seed, combination.number)).integers(len(captions))]]
        asked += [(zh, en, image_ids) for zh, en in captions]
    if split == "train":
        rows = (json.dumps({"zh": zh, "en": en}, ensure_ascii=False) + "\n" for zh, en, _ in asked)
        _write_lines(folder / "parallel.jsonl", rows)
    else:
        english = (text_row(Text(first_text + k, en, ids)) for k, (_, en, ids) in enumerate(asked))
        _write_lines(folder / f"{split}_texts.en.jsonl", english)
    chinese = (text_row(Text(first_text + k, zh, ids)) for k, (zh, _, ids) in enumerate(asked))
    _write_lines(folder / f"{split}_texts.jsonl", chinese)
    return len(asked)


def _write_zeroshot(folder: Path, pictures: Sequence[tuple[int, Combination, bytes]]) -> None:
    """Write pictures in the ELEVATER layout: a folder of three digits a class, so that byte order is number order."""
    for number in range(len(SUBJECTS)):
        (folder / "test" / f"{number:03d}").mkdir(parents=True)
    _write_lines(folder / "label_cn.txt", (f"{subject.zh}\n" for subject in SUBJECTS))
    _write_lines(folder / "label.txt", (f"{subject.en}\n" for subject in SUBJECTS))
    for image_id, combination, data in pictures:
        (folder / "test" / f"{combination.subject:03d}" / f"{image_id}.jpg").write_bytes(data)


def _write_lines(path: Path, rows: Iterator[str] | list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(rows)


def _credits() -> str:
    return """# Where the pictures of the demo come from
Every picture is made here from one photo: cropped, made smaller, tinted, and put on a coloured ground.

- `china.jpg` (古塔) by danielbuechele and `flower.jpg` (花朵) by vultilion, from scikit-learn: Creative Commons
  Attribution 2.0, https://creativecommons.org/licenses/by/2.0/
- all others from scikit-image, in whose documentation `skimage.data` names the source and the terms of each, among
  them: `astronaut` and `hubble_deep_field` by NASA (public domain), `rocket` by SpaceX (CC0), `motorcycle` by Daniel
  Scharstein (CC0), `retina` by Mikael Häggström (CC0), `chelsea` by Stéfan van der Walt (CC0), `coffee` by Rachel
  Michetti (CC0).
"""
