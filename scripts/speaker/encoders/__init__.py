"""What turns features into speaker embeddings: one module a runtime."""
