"""What the files of a sample are called in a tar.

`webdataset` takes for one sample what lies side by side in a tar and has the same name up to the first dot. So a file
is called `<sample>.<field>`, where the sample's name has no dot and no slash: these two, and `%`, stand there as in a
URL (`%2E`, `%2F`, `%25`). docs/packing.md says how GNU tar gives the loose files their names back.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath

from scripts.shared.layout import has_own_folder
from scripts.shared.ledger import Row


def member_names(key: str, rows: Iterable[Row]) -> dict[str, str]:
    """Name the files of a sample in the order in which they lie in the tar.

    Those in a folder of the sample's own are called after it: `sample_7_abc/size.json` is `sample_7_abc.size.json`.
    Of those in a shared folder the shortest name is the sample's: `poses/walk.npy` and `poses/walk-r2.png` are
    `walk.npy` and `walk.r2.png`.

    Args:
        key: the sample.
        rows: its ledger rows, a stage each.

    Returns:
        The name in the tar of each file; the files as their rows name them, relative to the sample's folder or, where
        samples share folders, to the dataset's.
    """
    own: list[str] = []
    shared: list[PurePosixPath] = []
    for row in rows:
        if has_own_folder(row):
            own += row["files"]
        else:
            shared += map(PurePosixPath, row["files"])
    names = {name: f"{escape(key)}.{name}" for name in own}
    stem = min((_within(path) for path in shared), key=lambda name: (len(name), name), default="")
    for path in shared:
        rest = _within(path).removeprefix(stem)
        names[str(path)] = ".".join(filter(None, [escape(stem), escape(rest.removeprefix("-"))])) + path.suffix
    return names


def escape(name: str) -> str:
    """A name without dots and slashes; no two names give one."""
    return name.replace("%", "%25").replace(".", "%2E").replace("/", "%2F")


def _within(path: PurePosixPath) -> str:
    """A path without its first folder and its suffix."""
    parts = path.with_suffix("").parts
    return "/".join(parts[1:] or parts)
