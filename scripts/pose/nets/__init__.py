"""The networks of MARDM in torch, with the key layout of its checkpoints."""
