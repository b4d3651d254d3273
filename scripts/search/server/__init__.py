"""The search application: a page and its API over one indexed dataset."""
