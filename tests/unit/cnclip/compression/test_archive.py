import gzip
import io
import tarfile
from pathlib import Path

import pytest

from scripts.cnclip.compression import archive
from scripts.cnclip.compression.archive import unpack
from scripts.cnclip.compression.package import write_archive
from scripts.shared.errors import JobError

Entries = list[tuple[tarfile.TarInfo, bytes]]


def entry(name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> Entries:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content) if kind == tarfile.REGTYPE else 0
    return [(info, content)]


def write(path: Path, entries: Entries, *, form: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(path, "w:gz", format=form) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return path


GOOD = entry("kl/a.txt", b"words") + entry("kl/onnx/b.bin", b"\0" * 5)
EVIL = {
    "absolute": (entry("/etc/polymill"), "no path of a package"),
    "above": (entry("kl/../../b"), "no path of a package"),
    "below a dot": (entry("./kl/b"), "no path of a package"),
    "backslash": (entry("kl\\..\\b/c"), "no path of a package"),
    "drive": (entry("C:/b"), "no path of a package"),
    "control character": (entry("kl/a\nb"), "no path of a package"),
    "no folder": (entry("a.txt"), "no path of a package"),
    "deep": (entry("kl/a/b/c"), "no path of a package"),
    "symbolic link": (entry("kl/b", kind=tarfile.SYMTYPE, link="/etc/passwd"), "no plain file"),
    "hard link": (entry("kl/b", kind=tarfile.LNKTYPE, link="kl/a.txt"), "no plain file"),
    "device": (entry("kl/b", kind=tarfile.CHRTYPE), "no plain file"),
    "pipe": (entry("kl/b", kind=tarfile.FIFOTYPE), "no plain file"),
    "folder": (entry("kl", kind=tarfile.DIRTYPE), "no plain file"),
    "twice": (entry("kl/A.TXT", b"other"), "stands there twice"),
    "file and folder": (entry("kl/a.txt/b"), "one name for a file and for a folder"),
    "two folders": (entry("other/a.txt"), "holds 2 folders"),
}


def test_a_plain_archive_is_unpacked(tmp_path: Path) -> None:
    top = unpack(write(tmp_path / "good.tar.gz", GOOD), tmp_path / "out")
    assert top == tmp_path / "out/kl"
    assert (top / "a.txt").read_bytes() == b"words"
    assert (top / "onnx/b.bin").read_bytes() == b"\0" * 5


@pytest.mark.parametrize("name", EVIL)
def test_what_could_reach_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    entries, told = EVIL[name]
    path = write(tmp_path / "evil.tar.gz", GOOD + entries)
    with pytest.raises(JobError, match=rf"evil\.tar\.gz: .*{told}"):
        unpack(path, tmp_path / "out")
    outside = [file for file in tmp_path.rglob("*") if tmp_path / "out" not in [file, *file.parents]]
    assert outside == [path]


def test_extended_headers_are_refused_unread(tmp_path: Path) -> None:
    for form, name in ((tarfile.PAX_FORMAT, "kl/" + "猫" * 60), (tarfile.GNU_FORMAT, "kl/" + "a" * 110)):
        with pytest.raises(JobError, match="is no plain file"):
            unpack(write(tmp_path / "long.tar.gz", entry(name), form=form), tmp_path / "out")


def test_a_bomb_is_stopped_at_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LEAST_LIMIT", 100_000)
    bomb = write(tmp_path / "bomb.tar.gz", entry("kl/zeros", bytes(5_000_000)))
    with pytest.raises(JobError, match="unpacks to far more"):
        unpack(bomb, tmp_path / "out")
    assert (tmp_path / "out/kl/zeros").stat().st_size <= archive.LARGEST_RATIO * bomb.stat().st_size
    behind = tmp_path / "behind.tar.gz"  # what follows the archive's end counts too
    behind.write_bytes(gzip.compress(gzip.decompress(write(tmp_path / "g.tar.gz", GOOD).read_bytes()) + bytes(10**6)))
    with pytest.raises(JobError, match="unpacks to far more"):
        unpack(behind, tmp_path / "out2")


@pytest.mark.parametrize("cut", [0, 1, 30, -1, -9])
def test_a_cut_archive_is_refused(tmp_path: Path, cut: int) -> None:
    whole = write(tmp_path / "whole.tar.gz", GOOD).read_bytes()
    path = tmp_path / "cut.tar.gz"
    path.write_bytes(whole[:cut])
    with pytest.raises(JobError, match=r"cut\.tar\.gz: "):
        unpack(path, tmp_path / "out")


OTHER_FILES = {"text": b"no archive", "gzip": gzip.compress(b"no archive in it" * 100, mtime=0)}


@pytest.mark.parametrize("content", OTHER_FILES.values(), ids=OTHER_FILES)
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.tar.gz"
    path.write_bytes(content)
    with pytest.raises(JobError, match=r"other\.tar\.gz: "):
        unpack(path, tmp_path / "out")


def test_an_archive_tells_of_names_and_content_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"from a file")
    made = []
    for content in ({"b": tmp_path / "file", "a/c": b"2"}, {"a/c": b"2", "b": b"from a file"}):
        stream = io.BytesIO()
        write_archive(stream, "kl", content)
        made.append(stream.getvalue())
    assert made[0] == made[1]
    with tarfile.open(fileobj=io.BytesIO(made[0])) as tar:
        told = [(one.name, one.mtime, one.uid, one.uname, one.mode) for one in tar]
    assert told == [("kl/a/c", 0, 0, "", 0o644), ("kl/b", 0, 0, "", 0o644)]
