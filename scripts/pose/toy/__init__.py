"""A small MARDM trained from scratch on a few named motions, for the demo and the tests."""
