"""The proof that training learns: made-up videos, and what a run on them must reach."""
