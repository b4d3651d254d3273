"""The heat maps of a form of a model: of some test videos a strip, a video and a place in one page."""

import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.fgclip.data.records import LabelledVideo, TestSet, read_test
from scripts.fgclip.evaluation.metrics_file import read_metrics
from scripts.fgclip.figures.choice import Judged, choose
from scripts.fgclip.figures.gallery import Card, gallery_html
from scripts.fgclip.figures.heat import frames_to_show
from scripts.fgclip.figures.overlay import pace, write_overlay
from scripts.fgclip.figures.shown_video import ShownVideo, judged_score, shown_video
from scripts.fgclip.figures.strip import FRAMES, strip_figure
from scripts.fgclip.scoring.score_files import read_scores
from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError, JobError, SampleError
from scripts.shared.figures.style import to_pdf, to_png
from scripts.shared.new_folder import new_folder
from scripts.shared.video.frames import read_frames

AUTO = "auto"
_LEAST_WIDE, _MOST = 320, 480  # pixels: small videos are enlarged, large ones take memory
_WEBP_QUALITY = 88  # of 100: letters stay clean

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Wanted:
    """What is made of each video.

    Attributes:
        overlays: also a video.
        pdf: the strip as PDF too.
        stepwise: see `draw_curve`.
        title: of the form, in words.
    """

    overlays: bool
    pdf: bool
    stepwise: bool
    title: str


def draw_heatmaps(
    *,
    test: Path,
    metrics: Path,
    scores_dir: Path,
    facts_dir: Path,
    shown: str | Sequence[str],
    most: int,
    overlays: bool,
    pdf: bool,
    folder: Path,
    gallery: Path,
) -> None:
    """Draw the heat maps of some test videos.

    A video that cannot be read or has no scores is named in the page and in `shown.json`, and the others are drawn.

    Args:
        test: `test.json`.
        metrics: `metrics.json` of the form.
        scores_dir: its scores, `<key>.npz`.
        facts_dir: facts of the videos, `<key>.json`.
        shown: keys of videos, or "auto" for the best and worst of each class and the normal ones of the highest
            scores.
        most: videos at most that "auto" chooses.
        overlays: make an MP4 beside each strip.
        pdf: draw each strip as PDF too.
        folder: of the results: `<key>.png`, `<key>.mp4`, `<key>.pdf` and `shown.json`, which says why each is shown.
        gallery: the page.

    Raises:
        ConfigError: `shown` names what is no test video.
        JobError: `test.json` or `metrics.json` cannot be read.
    """
    said = read_metrics(metrics)
    listed = read_test(test)
    chosen = _chosen(shown, listed, said, most=most)
    wanted = _Wanted(overlays, pdf, stepwise=said["expand"] == "repeat", title=f"{said['dataset']}, {said['form']}")
    videos = {video.key: video for video in listed.videos}
    cards = []
    with new_folder(folder) as made:
        for key, why in chosen.items():
            cards.append(_card(videos[key], why, listed, said, wanted, scores_dir, facts_dir, made))
        rows = [{"key": card.key, "why": chosen[card.key], "wrong": card.wrong} for card in cards]
        (made / "shown.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    notes = [f"{len(cards)} of {said['videos']['n']} scored videos, {_how(shown)}."]
    atomic_files.write_text(gallery, gallery_html(cards, title=f"Heat maps: {said['title']}", notes=notes))


def _how(shown: str | Sequence[str]) -> str:
    if shown == AUTO:
        return "chosen by rule: in turn the best of a class, the worst of one, and the normal one of the highest score"
    return "those that the configuration names"


def _chosen(shown: str | Sequence[str], listed: TestSet, said: Mapping[str, Any], *, most: int) -> dict[str, str]:
    """Why each video is shown, by key."""
    if shown == AUTO:
        score = judged_score(said)
        rows = [one for one in said["per_video"] if one["max"][score] is not None]
        return choose(
            (
                Judged(one["key"], one["category"], one["anomalous"], one["auc"][score], one["max"][score])
                for one in rows
            ),
            most=most,
        )
    there = {video.key for video in listed.videos}
    if unknown := [key for key in shown if key not in there]:
        raise ConfigError(
            f"fgclip: shown: {unknown[0]!r} is no test video of {said['dataset']} that can be used; "
            "name test videos without folder and suffix, or auto"
        )
    return dict.fromkeys(shown, "asked for")


def _card(
    video: LabelledVideo,
    why: str,
    listed: TestSet,
    said: Mapping[str, Any],
    wanted: _Wanted,
    scores_dir: Path,
    facts_dir: Path,
    made: Path,
) -> Card:
    """Draw one video into the new folder, and give its place in the page."""
    heading = f"{video.key} ({video.category})"
    try:
        scores = read_scores(scores_dir / f"{video.key}.npz")
        size = _drawn_size(facts_dir / f"{video.key}.json")
        regions = listed.boxes.get(video.key, ())
        shown = shown_video(video, scores, said, regions=regions, why=why)
        picture = _draw_strip(shown, size, wanted, made)
        overlay = _make_overlay(shown, size, wanted, made) if wanted.overlays else b""
    except (SampleError, JobError) as error:
        log.warning("%s: no heat map: %s", video.key, error)
        return Card(video.key, heading, why, wrong=f"no heat map: {error}")
    log.info("%s: drawn, %s", video.key, why)
    auc = "" if shown.auc is None else f", AUC {shown.auc:.2f}"
    return Card(video.key, heading, why + auc, picture, overlay)


def _draw_strip(shown: ShownVideo, size: tuple[int, int], wanted: _Wanted, made: Path) -> bytes:
    """Draw a video's strip into the new folder, and give it as WebP."""
    places = frames_to_show(
        shown.frames, shown.judged, shown.video.intervals, n_frames=shown.video.n_frames, most=FRAMES
    )
    pictures = _frames(shown.video, shown.frames[places], size)
    figure = strip_figure(shown, places, pictures, title=wanted.title, stepwise=wanted.stepwise)
    picture = to_png(figure)
    (made / f"{shown.video.key}.png").write_bytes(picture)
    if wanted.pdf:
        (made / f"{shown.video.key}.pdf").write_bytes(to_pdf(figure))
    return _small(picture)


def _small(png: bytes) -> bytes:
    """The same picture as lossy WebP, a tenth of the size: a page of many must open quickly."""
    content = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(content, "WEBP", quality=_WEBP_QUALITY)
    return content.getvalue()


def _make_overlay(shown: ShownVideo, size: tuple[int, int], wanted: _Wanted, made: Path) -> bytes:
    """Make a video's overlay in the new folder, and give its bytes."""
    at = pace(shown.video.n_frames, shown.video.fps)
    path = made / f"{shown.video.key}.mp4"
    write_overlay(path, shown, _frames(shown.video, at.numbers, size), at, stepwise=wanted.stepwise)
    return path.read_bytes()


def _frames(video: LabelledVideo, numbers: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(m, height, width, 3) uint8 RGB of the frames of these numbers.

    Raises:
        SampleError: the video does not give them.
    """

    def pick(n_frames: int) -> NDArray[np.int64]:
        if n_frames != video.n_frames:
            changed = f"{video.path} has {n_frames} frames, not {video.n_frames} as when it was scored; run again"
            raise SampleError("changed", changed)
        return numbers

    return read_frames(video.path, pick, height=size[1], width=size[0]).frames


def _drawn_size(facts: Path) -> tuple[int, int]:
    """Width and height in pixels at which a video is drawn: its own shape, even numbers.

    Raises:
        JobError: its facts cannot be read.
    """
    try:
        said = json.loads(facts.read_bytes())
        width, height = int(said["width"]), int(said["height"])
        factor = min(min(max(width, _LEAST_WIDE), _MOST) / width, _MOST / height)
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise JobError(f"{facts}: no facts of a video ({error}); remove it and run again") from error
    return max(2, 2 * round(width * factor / 2)), max(2, 2 * round(height * factor / 2))
