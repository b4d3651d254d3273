"""What every rule's job does around its work: says what there is to say, and clears away what a killed job left."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.shared.atomic_files import remove_leftovers_beside
from scripts.shared.disk_errors import MENDS, disk_words
from scripts.shared.errors import PolymillError

_CTRL_C = 130  # as shells report a process that SIGINT ended


@contextmanager
def job_log(path: Path, *, outputs: Iterable[str] = (), make_target: str = "env") -> Iterator[None]:
    """Log to `path` and to stderr; end the process with the error's status where a user can mend it.

    Args:
        path: the rule's log file; a new job starts it anew.
        outputs: files that the job makes; what writers that were killed left beside them is removed.
        make_target: what brings the packages that the job needs.
    """
    terminal = logging.StreamHandler(sys.stderr)
    handlers: list[logging.Handler] = [terminal]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(_LogFile(path, "w", "utf-8"))
    except OSError as error:
        sys.stderr.write(_no_log(path, error))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    # What would flood the terminal, such as the name of every sample removed, goes to the file alone.
    terminal.setLevel(logging.INFO)
    logging.getLogger("scripts").setLevel(logging.DEBUG)
    try:
        remove_leftovers_beside(*map(Path, outputs))
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
        if error.errno not in MENDS:
            logging.exception("a defect of Polymill:")
            raise
        logging.error("%s", disk_words(error, Path("results or work")))
        logging.shutdown()
        sys.exit(1)
    except MemoryError:
        logging.error("this job ran out of memory: give it more (`mem_mb` of its rule); what is finished is kept")
        logging.shutdown()
        sys.exit(1)
    except KeyboardInterrupt:
        logging.error("ended by Ctrl-C; what is finished is kept")
        logging.shutdown()
        sys.exit(_CTRL_C)
    except Exception:
        logging.exception("a defect of Polymill:")
        raise


class _LogFile(logging.FileHandler):
    """A log that a full disk cuts short, and the job with it neither by an end nor by a traceback a line."""

    _said = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - a name of the standard library's
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._said:
            self._said = True
            sys.stderr.write(_no_log(Path(self.baseFilename), error))


def _no_log(path: Path, error: OSError) -> str:
    return f"{path}: {error.strerror}: this job goes on, and says the rest on the terminal alone\n"
