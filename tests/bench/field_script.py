"""The baseline: what the field's scripts do for one clip, in a process of its own.

    python -m tests.bench.field_script CLIP CAPTION FOLDER

OpenCV, a seek to each of 16 frames, a frame left black where a seek fails, plain pickles. Its tokenizer is ours, which
flatters it: the scripts load a slower one, with torch.
"""

import json
import pickle
import sys
from pathlib import Path

import cv2
import numpy as np

from scripts.shared.clip_tokens import ClipTokenizer


def make(clip: str, caption: str, folder: Path) -> None:
    """Write the three files of a sample."""
    capture = cv2.VideoCapture(clip)
    n_frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    frames = np.zeros((16, 160, 256, 3), np.uint8)
    for place, number in enumerate(np.linspace(0, n_frames - 1, 16, dtype=int)):
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(number))
        read, frame = capture.read()
        if read:
            frames[place] = cv2.cvtColor(cv2.resize(frame, (256, 160)), cv2.COLOR_BGR2RGB)
    capture.release()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "video_input.pkl").write_bytes(pickle.dumps(frames))
    (folder / "text_input.pkl").write_bytes(pickle.dumps({"tokens": ClipTokenizer.embedded().encode(caption)}))
    (folder / "size.json").write_text(json.dumps([0.5] * 16))


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
