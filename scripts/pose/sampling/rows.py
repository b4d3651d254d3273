"""How many sequences make a micro-batch. Light: a job asks it without loading torch."""

# Sequences that go through the net together, by kind of device. On a CPU at full size a pose takes a third longer with
# 16 and a fifth less with 128; but a single one takes as long as all rows. The number changes the shapes of matrices,
# and so the bytes: with another raise GENERATE_FORMAT.
ROWS = {"cpu": 32, "cuda": 128}
