"""Make the proof's data set: `python -m scripts.fgclip.proof FOLDER`, then run with its `config.yaml`."""

import argparse
import sys
from pathlib import Path

from scripts.fgclip.proof.dataset import CONFIG, N_TEST, N_TRAIN, make_dataset
from scripts.shared.errors import PolymillError

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.fgclip.proof", description="Made-up videos to learn from.")
    parser.add_argument("folder", type=Path, help="folder to make; a proof that is there is replaced")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--train", type=int, default=N_TRAIN, help=f"training clips, {N_TRAIN} unless told")
    parser.add_argument("--test", type=int, default=N_TEST, help=f"test clips, {N_TEST} unless told")
    options = parser.parse_args()
    try:
        make_dataset(options.folder, seed=options.seed, n_train=options.train, n_test=options.test)
    except PolymillError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{options.folder / CONFIG}\n")
