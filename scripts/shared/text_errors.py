"""What can go wrong with a text file that a user names, in words with the mend."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.shared.errors import PolymillError


@contextmanager
def text_errors(path: Path, error: type[PolymillError], question: str) -> Iterator[None]:
    """Turn what a file refuses while it is read as UTF-8 into an error that names it.

    Args:
        path: the file.
        error: the class to raise.
        question: what to ask the user where the file cannot be opened or read.
    """
    try:
        yield
    except OSError as refused:
        raise error(f"{path}: {refused.strerror}; {question}") from refused
    except UnicodeDecodeError as refused:
        raise error(f"{path}: not UTF-8 (byte {refused.start}); save it as UTF-8") from refused
