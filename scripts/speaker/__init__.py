"""Speaker embeddings of a collection of recordings, and where one speaker ends and the next begins."""
