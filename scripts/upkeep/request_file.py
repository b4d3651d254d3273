"""What a job of upkeep is asked to do.

What such a job looks at is invisible to Snakemake, so it must run each time it is asked for: each run writes its
request anew, with another serial. A file and no stand-in in the temporary folder, because a cluster's node reads it.
"""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.shared.fingerprints import digest_value
from scripts.shared.planning.plan_file import empty_file


def settle_request(path: Path, asked: Mapping[str, Any], *, scratch: Path | None) -> Path:
    """Write a request.

    Args:
        path: where it belongs, below the dataset's work folder.
        asked: plain JSON types.
        scratch: None in a real run; else a folder for an empty file, and nothing else is written.

    Returns:
        The file that the job takes as input.
    """
    if scratch is not None:
        return empty_file(scratch, f"{'-'.join(path.parts[-4:])}.asked")
    atomic_files.write_json(path, {"serial": secrets.token_hex(8), "asked": asked, "digest": digest_value(asked)})
    return path


def read_request(path: Path) -> dict[str, Any]:
    """What was asked.

    Raises:
        JobError: the file is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        asked: dict[str, Any] = content["asked"]
        if digest_value(asked) != content["digest"]:  # a name that is another by one letter is a name all the same
            raise ValueError("its digest does not fit")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise JobError(f"{path}: not a request that can be used ({error}); run again") from error
    return asked
