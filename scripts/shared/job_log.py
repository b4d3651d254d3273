"""Where a rule's job writes what it has to say: to its log file and to the terminal."""

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.shared.errors import PolymillError

# What a disk refuses, and a user can mend; other errors of files are defects.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
_CTRL_C = 130  # as shells report a process that SIGINT ended


@contextmanager
def job_log(path: Path, *, make_target: str = "env") -> Iterator[None]:
    """Log to `path` and to stderr; end the process with the error's status where a user can mend it.

    Args:
        path: the rule's log file; a new job starts it anew.
        make_target: what brings the packages that the job needs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [logging.FileHandler(path, "w", "utf-8"), logging.StreamHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    # What would flood the terminal, such as the name of every sample removed, goes to the file alone.
    handlers[1].setLevel(logging.INFO)
    logging.getLogger("scripts").setLevel(logging.DEBUG)
    try:
        yield
    except PolymillError as error:
        logging.error("%s", error)
        logging.shutdown()
        sys.exit(error.exit_status)
    except ImportError as error:  # PackageNotFoundError is one too
        logging.error("the Python package %s is missing: `make %s` installs it", error.name, make_target)
        logging.shutdown()
        sys.exit(1)
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            logging.exception("a defect of Polymill:")
            raise
        logging.error("%s: %s; run again when mended", error.filename or "results or work", error.strerror)
        logging.shutdown()
        sys.exit(1)
    except KeyboardInterrupt:
        logging.error("ended by Ctrl-C; what is finished is kept")
        logging.shutdown()
        sys.exit(_CTRL_C)
    except Exception:
        logging.exception("a defect of Polymill:")
        raise
