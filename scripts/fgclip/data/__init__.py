"""Caption lists, the test annotation and the facts of videos, brought together in `records.json` and `test.json`."""
