"""Make the demo's pictures and videos: the exact steps that made this folder.

    PYTHONPATH=. python tests/data/demo/search/make_demo.py

The photos are those that the wheels of scikit-image and scikit-learn hold; stills and clips are of the other demos
beside this one. SOURCES.md says whose they are. The captions are written by hand, after a look at each.
"""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from scripts.shared.video.frames import read_frames
from scripts.shared.video.writing import write_h264

HERE = Path(__file__).parent
PICTURES, VIDEOS, OTHERS = HERE / "pictures", HERE / "videos", HERE.parent
LONGEST = 480  # pixels
EXIF_ORIENTATION, TURNED_RIGHT = 0x0112, 6
SCENE_S, FPS, SCENE_SIZE = 4, 10, (320, 240)


SKIMAGE, SKLEARN = ("skimage", "data"), ("sklearn", "datasets/images")
PHOTOS = {
    "animals/cat.jpg": (*SKIMAGE, "chelsea.png"),
    "animals/horse.png": (*SKIMAGE, "horse.png"),
    "coffee.heic": (*SKIMAGE, "coffee.png"),
    "vehicles/motorcycle.jpg": (*SKIMAGE, "motorcycle_left.png"),
    "vehicles/rocket.webp": (*SKIMAGE, "rocket.jpg"),
    "people/astronaut.jpg": (*SKIMAGE, "astronaut.png"),
    "people/photographer.jpg": (*SKIMAGE, "camera.png"),
    "古塔.jpg": (*SKLEARN, "china.jpg"),
    "flower.jpg": (*SKLEARN, "flower.jpg"),
    "things/coins.jpg": (*SKIMAGE, "coins.png"),
    "things/page.jpg": (*SKIMAGE, "page.png"),
    "things/bricks.jpg": (*SKIMAGE, "brick.png"),
    "things/grass.jpg": (*SKIMAGE, "grass.png"),
    "things/gravel.jpg": (*SKIMAGE, "gravel.png"),
    "sky/moon.jpg": (*SKIMAGE, "moon.png"),
    "sky/galaxies.jpg": (*SKIMAGE, "hubble_deep_field.jpg"),
    "medicine/retina.jpg": (*SKIMAGE, "retina.jpg"),
    "medicine/tissue.jpg": (*SKIMAGE, "ihc.png"),
}
STILLS = {
    "animals/rabbit.jpg": ("clip4mc/clips/bunny_stretch.mp4", 18),
    "game/tree.jpg": ("clip4mc/clips/minetest_chop.mp4", 20),
}
CLIPS = {
    "rabbit.mp4": "clip4mc/clips/bunny_stretch.mp4",
    "game/chopping.mp4": "clip4mc/clips/minetest_chop.mp4",
    "game/bush.webm": "clip4mc/clips/minetest_bush.webm",
    "game/corridor.mp4": "clip4mc/clips/freedoom_soldiers.mp4",
    "street.mp4": "fgclip/videos/Training_Normal_Videos_Anomaly/Normal_Videos007_x264.mp4",
}
SCENES = ("古塔.jpg", "animals/cat.jpg", "vehicles/motorcycle.jpg", "coffee.heic")  # of scenes.mp4, one after the other


def photo(name: str) -> Image.Image:
    package, folder, file = PHOTOS[name]
    spec = find_spec(package)
    assert spec is not None, f"{package} is not installed"
    return Image.open(Path(str(spec.origin)).parent / folder / file).convert("RGB")


def still(video: str, number: int) -> Image.Image:
    decoded = read_frames(OTHERS / video, lambda _: np.array([number]), height=270, width=480)
    return Image.fromarray(decoded.frames[0])


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.thumbnail((LONGEST, LONGEST))
    if path.name == "flower.jpg":  # as a phone held upright stores it
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = TURNED_RIGHT
        picture.transpose(Image.Transpose.ROTATE_90).save(path, quality=85, exif=exif)
    elif path.suffix == ".png":
        picture.convert("L").quantize(16).save(path, optimize=True)
    else:
        picture.save(path, quality=85 if path.suffix == ".jpg" else 60)


def scene_frames() -> Iterator[NDArray[np.uint8]]:
    """Photos one after the other, each drawing nearer while it is shown."""
    for name in SCENES:
        picture = photo(name)
        width, height = picture.size
        for frame in range(SCENE_S * FPS):
            less = 0.15 * frame / (SCENE_S * FPS)
            box = (less / 2 * width, less / 2 * height, (1 - less / 2) * width, (1 - less / 2) * height)
            yield np.asarray(picture.resize(SCENE_SIZE, Image.Resampling.BICUBIC, box=box))


def main() -> None:
    pillow_heif.register_heif_opener()
    for folder in (PICTURES, VIDEOS):
        shutil.rmtree(folder, ignore_errors=True)
    for name in PHOTOS:
        save(photo(name), PICTURES / name)
    for name, (video, number) in STILLS.items():
        save(still(video, number), PICTURES / name)
    for name, clip in CLIPS.items():
        (VIDEOS / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(OTHERS / clip, VIDEOS / name)
    write_h264(VIDEOS / "scenes.mp4", scene_frames(), fps=FPS, options={"crf": "28", "preset": "veryslow"})


if __name__ == "__main__":
    main()
