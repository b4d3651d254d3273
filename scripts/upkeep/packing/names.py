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
    Of those in shared folders the shortest name is the sample's, and the folder begins the field: `poses/walk.npy`,
    `poses/walk-r2.npy` and `motions/walk.npy` are `walk.poses.npy`, `walk.poses-r2.npy` and `walk.motions.npy`.

    Args:
        key: the sample.
        rows: its ledger rows, a stage each.

    Returns:
        The name in the tar of each file; the files as their rows name them, relative to the sample's folder or, where
        samples share folders, to the dataset's.
    """
    own: list[str] = []
    shared: list[str] = []
    for row in rows:
        (own if has_own_folder(row) else shared).extend(row["files"])
    names = {name: f"{escape(key)}.{name}" for name in own}
    sample = min((_parts(name)[1] for name in shared), key=lambda stem: (len(stem), stem), default="")
    for name in shared:
        folder, stem, suffix = _parts(name)
        names[name] = f"{escape(sample)}.{folder}{escape(stem.removeprefix(sample))}{suffix}"
    return names


def escape(name: str) -> str:
    """A name without dots and slashes; no two names give one."""
    return name.replace("%", "%25").replace(".", "%2E").replace("/", "%2F")


def _parts(name: str) -> tuple[str, str, str]:
    """The first folder of a path, what stands between it and the suffix, and the suffix."""
    folder, _, within = name.partition("/")
    suffix = PurePosixPath(within).suffix
    return folder, within.removesuffix(suffix), suffix
