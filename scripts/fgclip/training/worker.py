"""One process of a training: python -m scripts.fgclip.training.worker SETTINGS.json."""

from scripts.fgclip.training.loop import train_process
from scripts.shared.training.launch import worker_main

if __name__ == "__main__":
    worker_main(train_process)
