"""Cut the demo clips, shrink the demo video, and write their lists: the exact commands that made this folder.

    python tests/data/demo/clip4mc/make_demo.py FOLDER

FOLDER holds gameplay_minetest.mp4, gameplay_freedoom.mp4 and bigbuckbunny.mp4 (see SOURCES.md).
The captions were written after looking at the frames of each clip; `--sheets DIR` writes those frames as PNG.
"""

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import imageio_ffmpeg

HERE = Path(__file__).parent

H264 = ("-c:v", "libx264", "-preset", "veryslow", "-crf", "27", "-g", "250", "-pix_fmt", "yuv420p")
HEVC = ("-c:v", "libx265", "-preset", "slow", "-crf", "31", "-tag:v", "hvc1", "-pix_fmt", "yuv420p",
        "-x265-params", "log-level=error:info=0")  # fmt: skip
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "1", "-crf", "42", "-b:v", "0", "-g", "250")


class Cut(NamedTuple):
    """One clip: what is cut from where, how it is encoded, and what its pair says beside the file."""

    name: str
    source: str
    begin_s: float
    end_s: float
    height_px: int
    codec: tuple[str, ...]
    pair: dict[str, Any]


TRAIN = [
    Cut("minetest_walk.mp4", "gameplay_minetest", 0.05, 8.0, 360, H264, {
        "transcript clip": "walking across the grass toward the trees",
        "size": [0.06, 0.06, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.14, 0.17, 0.2, 0.24, 0.3, 0.36, 0.44, 0.5],
    }),
    Cut("minetest_chop.mp4", "gameplay_minetest", 8.0, 14.0, 360, H264, {
        "transcript clip": "chopping the trunk of a tree from below, a red apple hangs under the leaves",
        "size": [0.5, 0.5, 0.52, 0.52, 0.55, 0.55, 0.55, 0.58, 0.58, 0.6, 0.6, 0.6,
                 0.62, 0.62, 0.62, 0.62, 0.6, 0.6, 0.6, 0.6, 0.6, 0.58, 0.55, 0.5],
    }),
    Cut("minetest_wall.mp4", "gameplay_minetest", 14.7, 18.0, 360, H264, {
        "transcript clip": "building a wall of wooden planks in front of a tree",
        "size": [0.05, 0.12, 0.2, 0.3, 0.36],
    }),
    Cut("minetest_pit.mp4", "gameplay_minetest", 22.0, 25.0, 360, H264, {
        "transcript": "digging a pit through the grass into pale stone",
    }),
    Cut("minetest_ore.mp4", "gameplay_minetest", 25.5, 29.2, 360, H264, {
        "transcript clip": "coal and iron ore in a stone wall, a torch lights the pit",
        "size": [0.25, 0.3, 0.35, 0.35, 0.35, 0.3, 0.3, 0.35],
    }),
    Cut("minetest_bush.webm", "gameplay_minetest", 1.2, 4.0, 240, VP9, {
        "transcript": ["a", "bush", "of", "blueberries", "on", "the", "grass,", "trees", "behind", "it"],
        "size": [0.14],
    }),
    Cut("freedoom_soldiers.mp4", "gameplay_freedoom", 0.4, 2.4, 240, H264, {
        "transcript": "firing a pistol at two soldiers in a brick corridor",
    }),
    Cut("freedoom_corridor.mp4", "gameplay_freedoom", 3.5, 7.5, 240, H264, {
        "transcript": "firing a pistol at the wall of a corridor, a soldier lies on the floor",
        "size": [],
    }),
    Cut("bunny_burrow.mp4", "bigbuckbunny", 0.0, 1.8, 360, HEVC, {
        "transcript": "a big gray rabbit crawls out of its burrow",
        "size": [0.05, 0.06, 0.08, 0.1, 0.12, 0.14],
    }),
    Cut("minetest_apple.mp4", "gameplay_minetest", 14.4, 14.9, 360, H264, {
        "transcript": "a red apple hangs from a tree",
    }),
]  # fmt: skip
TEST = [
    Cut("minetest_torches.mp4", "gameplay_minetest", 19.6, 21.5, 360, H264, {
        "transcript clip": "placing torches on the wooden wall",
    }),
    Cut("minetest_cliff.mp4", "gameplay_minetest", 31.0, 37.0, 360, H264, {
        "transcript clip": "flying up along a gray cliff, green hills below",
        "size": [0.4, 0.5, 0.6, 0.6, 0.55, 0.5],
    }),
    Cut("bunny_stretch.mp4", "bigbuckbunny", 1.6, 5.2, 360, H264, {
        "transcript": "a big gray rabbit stretches its arms and yawns in front of its burrow",
        "size": [0.2] * 16,
    }),
]  # fmt: skip

WHOLE = "gameplay_minetest"
# Ends with the last event, which begins at a key frame: the one that `clip4mc_clips` copies, and encodes the others.
WHOLE_H264 = ("-t", "37", "-force_key_frames", "30.06", "-c:v", "libx264", "-preset", "veryslow", "-crf", "31",
              "-g", "250", "-pix_fmt", "yuv420p")  # fmt: skip
EVENTS: list[dict[str, Any]] = [
    {"begin position": 0.05, "end position": 8.02, "transcript clip": "walking across the grass toward the trees",
     "size": [0.06, 0.06, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.14, 0.17, 0.2, 0.24, 0.3, 0.36, 0.44, 0.5]},
    {"begin position": 8.02, "end position": 14.08, "transcript clip": "chopping down a tree to collect wood"},
    {"begin position": 14.08, "end position": 22.0,
     "transcript clip": "building a house wall with wooden planks and placing torches"},
    {"begin position": 22.0, "end position": 30.03,
     "transcript clip": "mining down through stone to find coal and iron ore"},
    {"begin position": 30.03, "end position": 37.0,
     "transcript clip": "flying up to look at the mountains and the lake"},
]  # fmt: skip


def run_ffmpeg(*arguments: str) -> None:
    """Run imageio-ffmpeg's ffmpeg with one thread, so that the same build gives the same bytes."""
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments], check=True)


def encode(cut: Cut, sources: Path) -> None:
    """Re-encode the seconds of one cut, video only, without metadata."""
    run_ffmpeg(
        "-ss", f"{cut.begin_s}", "-t", f"{cut.end_s - cut.begin_s:.3f}", "-i", f"{sources / cut.source}.mp4",
        "-an", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact",
        "-vf", f"scale=-2:{cut.height_px}", "-threads", "1", *cut.codec, f"{HERE / 'clips' / cut.name}",
    )  # fmt: skip


def encode_whole(sources: Path) -> None:
    """Re-encode the video of the raw-video demo, video only, without metadata."""
    run_ffmpeg(
        "-i", f"{sources / WHOLE}.mp4", "-an", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact",
        "-threads", "1", *WHOLE_H264, f"{HERE / 'videos' / WHOLE}.mp4",
    )  # fmt: skip


def write_sheet(cut: Cut, folder: Path) -> None:
    """Tile sixteen frames of a finished clip, to look at before its caption is written."""
    tile = f"fps=16/{cut.end_s - cut.begin_s:.3f},scale=320:-2,tile=4x4"
    picture = folder / f"{Path(cut.name).stem}.png"
    run_ffmpeg("-i", f"{HERE / 'clips' / cut.name}", "-vf", tile, "-frames:v", "1", f"{picture}")


def write_pairs(path: Path, cuts: list[Cut]) -> None:
    """Write a pairs file in CLIP4MC's fields, a pair a line."""
    pairs = [
        {"vid": cut.source.removeprefix("gameplay_"), **cut.pair, "clip_path": f"clips/{cut.name}"} for cut in cuts
    ]
    write_list(path, pairs)


def write_list(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a JSON list, a member a line."""
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main() -> None:
    """Make every clip, the video and the lists."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", type=Path, help="folder of the three source videos")
    parser.add_argument("--sheets", type=Path, help="also write sixteen frames a clip there")
    options = parser.parse_args()
    for folder in ("clips", "videos"):
        (HERE / folder).mkdir(exist_ok=True)
    for cut in TRAIN + TEST:
        encode(cut, options.sources)
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            write_sheet(cut, options.sheets)
    write_pairs(HERE / "train_pairs.json", TRAIN)
    write_pairs(HERE / "test_pairs.json", TEST)
    encode_whole(options.sources)
    write_list(HERE / "metadata.json", [{"vid": "minetest", **event} for event in EVENTS])
    info = f"url,filename\nhttps://example.org/watch?v=minetest,{WHOLE}.mp4\n"
    (HERE / "info.csv").write_text(info, encoding="utf-8")


if __name__ == "__main__":
    main()
