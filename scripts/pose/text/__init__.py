"""Captions as the vectors that a model takes."""
