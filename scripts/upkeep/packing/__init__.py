"""Finished samples in tars that `webdataset` reads, and an index of these, kept current."""
