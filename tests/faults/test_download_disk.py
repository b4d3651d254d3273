"""Downloads to a disk that is full."""

import hashlib
from pathlib import Path

import pytest

from scripts.shared.errors import JobError
from scripts.upkeep.download import FileToFetch, fetch_all
from tests.faults.test_disks import small_disk as small_disk
from tests.file_server import FileServer, serving

CONTENT = bytes(range(250)) * 3_000


def test_a_full_disk_is_named_and_the_download_goes_on_when_there_is_room(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(b"0" * 600_000)
    path = small_disk / "model.pt"
    with serving(FileServer(files={"/model.pt": CONTENT})) as server:
        file = FileToFetch("toy", f"{server.url}/model.pt", path, hashlib.sha256(CONTENT).hexdigest(), "")
        with pytest.raises(JobError, match="No space left on device"):
            fetch_all([file], endpoint=server.url, token=None)
        assert not path.exists()
        kept = path.with_name("model.pt.part").stat().st_size
        assert kept > 300_000
        filler.unlink()
        fetch_all([file], endpoint=server.url, token=None)
        assert server.header("Range") == [None, f"bytes={kept}-"]
    assert path.read_bytes() == CONTENT
