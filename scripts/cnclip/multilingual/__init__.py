"""A text encoder of many languages, taught to land where the Chinese text tower lands."""
