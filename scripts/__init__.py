"""The Python of Polymill: one package a system, and what the systems share."""
