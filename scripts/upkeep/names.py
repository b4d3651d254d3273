"""Names from ledgers and configurations that become paths."""

from scripts.shared.layout import has_own_folder
from scripts.shared.ledger import Row
from scripts.shared.sample_files import is_path_inside


def is_plain_name(name: str) -> bool:
    """Whether a name is that of a file or folder in a folder: no path, not hidden, and no NUL."""
    return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name


def can_be_followed(row: Row) -> bool:
    """Whether the files that a finished sample's row names lie below the dataset's folder, wherever that is."""
    files = row["files"]
    if has_own_folder(row):
        return all(map(is_plain_name, [row["key"], *files]))
    return all(map(is_path_inside, files))
