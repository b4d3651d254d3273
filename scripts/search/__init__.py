"""Search over pictures and videos, by text or picture."""
