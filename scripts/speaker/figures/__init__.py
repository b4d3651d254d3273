"""Pictures of a collection, its speakers and the boundaries between them."""
