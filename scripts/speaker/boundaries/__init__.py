"""Where one speaker ends and the next begins, from the embeddings of a collection."""
