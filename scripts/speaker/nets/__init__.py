"""The five families of speaker nets in torch, with the key layout of WeSpeaker's checkpoints."""
