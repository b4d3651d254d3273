"""Names from ledgers and configurations that become paths."""


def is_plain_name(name: str) -> bool:
    """Whether a name is that of a file or folder in a folder: no path, not hidden, and no NUL."""
    return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name
