"""The files of a model: the official checkpoints, and the one file that they are converted to."""
