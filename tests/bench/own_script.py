"""Our own sample function, in a process of its own: what starting a process for each clip costs.

python -m tests.bench.own_script CLIP CAPTION FOLDER
"""

import sys
from pathlib import Path

from scripts.clip4mc.sample import make_sample
from scripts.shared.sample_task import SampleTask

SETTINGS = {
    "num_frames": 16,
    "frame_height": 160,
    "frame_width": 256,
    "channel_order": "rgb",
    "decoder": "cpu",
    "scaler": "swscale",
    "default_size": 0.5,
}

if __name__ == "__main__":
    clip = Path(sys.argv[1])
    entry = {"source": clip.name, "caption": sys.argv[2], "size": None}
    make_sample(SampleTask("sample", entry, SETTINGS, {"tokenizer": "embedded"}, clip, Path(sys.argv[3])))
