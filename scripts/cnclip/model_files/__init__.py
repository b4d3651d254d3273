"""The files of a model: official checkpoints, model folders, and the ways to begin one."""
