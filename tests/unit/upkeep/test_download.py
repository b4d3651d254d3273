"""Downloads: whole and right, or not there; against a local server that fails as real ones do."""

import fcntl
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError, JobError
from scripts.upkeep.download import FileToFetch, fetch_all, files_to_fetch
from tests.file_server import FileServer, serving

CONTENT = bytes(range(256)) * 20_000  # 5 MB: several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HF = "https://huggingface.co"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer(files={"/model.pt": CONTENT})) as running:
        yield running


def fetch(server: FileServer, path: Path, sha256: str | None = SHA256, **more: Any) -> list[float]:
    """Fetch `/model.pt` to a path; the pauses made."""
    pauses: list[float] = []
    file = FileToFetch("toy.downloads.base", f"{server.url}/model.pt", path, sha256, "")
    fetch_all([file], **{"endpoint": HF, "token": None, "wait": pauses.append, **more})
    return pauses


def part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def test_a_file_comes_whole_and_is_not_asked_for_again(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "models" / "deep" / "model.pt"
    assert fetch(server, path) == []
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["model.pt"]
    fetch(server, path)
    assert len(server.asked) == 1


def test_a_file_that_is_not_the_one_wanted_is_replaced(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"an older one")
    fetch(server, tmp_path / "model.pt")
    assert (tmp_path / "model.pt").read_bytes() == CONTENT


def test_cut_connections_go_on_where_they_ended(server: FileServer, tmp_path: Path) -> None:
    server.cut_after = [2_000_000, 1_500_000]
    assert fetch(server, tmp_path / "model.pt") == [1.0, 1.0]
    assert (tmp_path / "model.pt").read_bytes() == CONTENT
    ranges = server.header("Range")
    assert ranges[0] is None
    assert [range_ is not None and range_.startswith("bytes=") for range_ in ranges[1:]] == [True, True]


def test_a_later_run_goes_on_with_what_an_earlier_one_left(server: FileServer, tmp_path: Path) -> None:
    part(tmp_path / "model.pt").write_bytes(CONTENT[:3_000_000])
    fetch(server, tmp_path / "model.pt")
    assert server.header("Range") == ["bytes=3000000-"]
    assert (tmp_path / "model.pt").read_bytes() == CONTENT


def test_a_part_that_is_whole_needs_no_server(server: FileServer, tmp_path: Path) -> None:
    part(tmp_path / "model.pt").write_bytes(CONTENT)
    fetch(server, tmp_path / "model.pt")
    assert server.asked == []
    assert (tmp_path / "model.pt").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_begun_again(server: FileServer, tmp_path: Path) -> None:
    part(tmp_path / "model.pt").write_bytes(CONTENT + b"more")
    fetch(server, tmp_path / "model.pt")
    assert server.header("Range") == [f"bytes={len(CONTENT) + 4}-", None]
    assert (tmp_path / "model.pt").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(server: FileServer, tmp_path: Path) -> None:
    server.ranges = False
    server.cut_after = [2_000_000]
    fetch(server, tmp_path / "model.pt")
    assert (tmp_path / "model.pt").read_bytes() == CONTENT


def test_a_server_that_always_cuts_is_given_up_and_the_part_kept(server: FileServer, tmp_path: Path) -> None:
    server.ranges = False
    server.cut_after = [1_500_000] * 20
    with pytest.raises(JobError, match=r"5 times; run again later: what has arrived stays in .*model.pt.part"):
        fetch(server, tmp_path / "model.pt")
    assert len(server.asked) == 5
    assert not (tmp_path / "model.pt").exists()
    assert 0 < part(tmp_path / "model.pt").stat().st_size <= 1_500_000


def test_a_busy_server_is_asked_again_with_longer_pauses(server: FileServer, tmp_path: Path) -> None:
    server.statuses = [503, 429, 500]
    assert fetch(server, tmp_path / "model.pt") == [1.0, 2.0, 4.0]
    assert (tmp_path / "model.pt").read_bytes() == CONTENT


def test_a_wrong_digest_keeps_nothing_and_says_both(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=f"its SHA-256 is {SHA256}, the configuration says {'0' * 64}; nothing was kept"):
        fetch(server, tmp_path / "model.pt", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_digest_leaves_the_file_that_was_there(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"mine")
    with pytest.raises(JobError, match="nothing was kept"):
        fetch(server, tmp_path / "model.pt", "0" * 64)
    assert (tmp_path / "model.pt").read_bytes() == b"mine"


def test_without_a_digest_the_one_found_is_said(
    server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    part(tmp_path / "model.pt").write_bytes(b"of an unknown version")  # nothing could tell that it fits
    for _ in range(2):
        fetch(server, tmp_path / "model.pt", None)
        assert f"its SHA-256 is {SHA256}: write it in place of null" in caplog.text
        caplog.clear()
    assert (tmp_path / "model.pt").read_bytes() == CONTENT
    assert server.header("Range") == [None]


@pytest.mark.parametrize("etag", ['"v1"', "", 'W/"v1"'])
def test_without_a_digest_a_file_that_changes_meanwhile_is_begun_again(
    server: FileServer, tmp_path: Path, etag: str
) -> None:
    other = bytes(reversed(CONTENT))
    server.cut_after = [2_000_000]
    server.etag = etag

    def change(_: float) -> None:
        server.files["/model.pt"] = other
        server.etag = etag.replace("v1", "v2")

    fetch(server, tmp_path / "model.pt", None, wait=change)
    assert (tmp_path / "model.pt").read_bytes() == other


@pytest.mark.parametrize(
    ("status", "repo", "says"),
    [
        (404, "owner/name", "owner/name has no such file: mend `repo`, `revision` or its path"),
        (404, "", "404 Not Found: mend the URL"),
        (401, "owner/name", "401 Unauthorized: accept the licence on its page and set HF_TOKEN"),
        (403, "owner/name", "403 Forbidden: accept the licence on its page and set HF_TOKEN"),
        (410, "", "410 Gone"),
    ],
)
def test_a_refusal_names_the_url_and_the_mend(
    server: FileServer, tmp_path: Path, status: int, repo: str, says: str
) -> None:
    server.statuses = [status]
    file = FileToFetch("toy.downloads.base", f"{server.url}/model.pt", tmp_path / "model.pt", SHA256, repo)
    with pytest.raises(JobError) as caught:
        fetch_all([file], endpoint=server.url, token=None)
    assert says in f"{caught.value}"
    assert f"[toy.downloads.base] {server.url}/model.pt: {status}" in f"{caught.value}"
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_one_that_cannot_be_had_stops_no_other(server: FileServer, tmp_path: Path) -> None:
    files = [
        FileToFetch("toy", f"{server.url}/{name}", tmp_path / name, SHA256, "") for name in ("none.pt", "model.pt")
    ]
    with pytest.raises(JobError, match="1 of 2 files could not be fetched"):
        fetch_all(files, endpoint=HF, token=None)
    assert (tmp_path / "model.pt").read_bytes() == CONTENT


def test_no_server_is_tried_again_and_then_named(tmp_path: Path) -> None:
    with serving(FileServer()) as gone:
        url = gone.url
    with pytest.raises(JobError, match=r"Connection refused.*5 times"):
        fetch(FileServer(url=url), tmp_path / "model.pt")


def test_the_token_goes_to_its_server_alone_and_never_along_a_redirect(server: FileServer, tmp_path: Path) -> None:
    with serving(FileServer(files=dict(server.files))) as other:
        server.redirects = {
            "/repo": f"{server.url}/model.pt",
            "/to-port": f"{other.url}/model.pt",
            "/to-host": f"{other.url.replace('127.0.0.1', 'localhost')}/model.pt",
        }
        token = "t" * 8
        for name, url in {
            "own": f"{server.url}/repo",
            "port": f"{server.url}/to-port",
            "host": f"{server.url}/to-host",
            "direct": f"{other.url}/model.pt",
        }.items():
            fetch_all([FileToFetch("toy", url, tmp_path / name, SHA256, "")], endpoint=server.url, token=token)
            assert (tmp_path / name).read_bytes() == CONTENT
        assert server.header("Authorization") == [f"Bearer {token}"] * 4
        assert other.header("Authorization") == [None] * 3


def test_a_redirect_to_another_kind_of_address_is_refused(server: FileServer, tmp_path: Path) -> None:
    server.redirects = {"/model.pt": "file:///etc/passwd"}
    with pytest.raises(JobError, match="No connection adapters"):
        fetch(server, tmp_path / "model.pt")
    assert not (tmp_path / "model.pt").exists()


@pytest.mark.parametrize("place", ["http://[::1", "http://.host/x", f"http://{'h' * 300}/x", "http://host:99999/x"])
def test_a_redirect_to_what_is_no_address_is_told_and_leaves_nothing(
    place: str, server: FileServer, tmp_path: Path
) -> None:
    server.redirects = {"/model.pt": place}
    with pytest.raises(JobError, match=r"\[toy.downloads.base\] http://.*/model.pt: "):
        fetch(server, tmp_path / "model.pt")
    assert list(tmp_path.iterdir()) == []


def test_a_length_that_is_nonsense_changes_nothing(server: FileServer, tmp_path: Path) -> None:
    server.length = "9" * 5000
    fetch(server, tmp_path / "model.pt")
    assert (tmp_path / "model.pt").read_bytes() == CONTENT


@pytest.mark.parametrize("said", [100, len(CONTENT) + 1])
def test_a_length_that_is_a_lie_gives_no_file(said: int, server: FileServer, tmp_path: Path) -> None:
    server.length, server.ranges = str(said), False
    with pytest.raises(JobError, match=r"its SHA-256 is|IncompleteRead"):
        fetch(server, tmp_path / "model.pt")
    assert not (tmp_path / "model.pt").exists()


def test_two_downloads_of_one_file_do_not_mix(server: FileServer, tmp_path: Path) -> None:
    with part(tmp_path / "model.pt").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(JobError, match="another download works on"):
            fetch(server, tmp_path / "model.pt")


def test_progress_is_told_every_ten_seconds(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ticks = iter(range(0, 10_000, 4))
    monkeypatch.setattr("scripts.upkeep.download.time.monotonic", lambda: float(next(ticks)))
    fetch(server, tmp_path / "model.pt")
    # A chunk of 131,072 bytes every four seconds.
    assert "[toy.downloads.base] model.pt: 0.4 of 5.1 MB, 0.0 MB/s" in caplog.text
    assert caplog.text.count("MB/s") == len(CONTENT) // 131_072 // 3


def listed(downloads: dict[str, Any], endpoint: str = HF) -> list[FileToFetch]:
    config = load_config({"clip4mc": {"downloads": downloads}}, lambda _: "my.yaml")
    return files_to_fetch("clip4mc", config["clip4mc"]["downloads"], endpoint=endpoint)


def test_files_of_a_repository_and_by_url_are_listed() -> None:
    files = {"model.bin": SHA256, "a b/tower.pt": None, "https://host/x/y%20z.pt?download=1": SHA256}
    found = listed({"base": {"to": "models/base", "repo": "owner/name.x", "revision": "v1/2", "files": files}})
    start = "https://huggingface.co/owner/name.x/resolve/v1%2F2"
    assert [(file.url, str(file.path), file.sha256, file.repo) for file in found] == [
        (f"{start}/model.bin", "models/base/model.bin", SHA256, "owner/name.x"),
        (f"{start}/a%20b/tower.pt", "models/base/a b/tower.pt", None, "owner/name.x"),
        ("https://host/x/y%20z.pt?download=1", "models/base/y z.pt", SHA256, ""),
    ]


def test_the_revision_is_main_and_the_endpoint_may_be_another() -> None:
    (file,) = listed({"base": {"to": "m", "repo": "a/b", "files": {"x": None}}}, endpoint="http://mirror:8080/hf/")
    assert file.url == "http://mirror:8080/hf/a/b/resolve/main/x"


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a//b", "", ".", "a\\b", "a\nb", "a/"])
def test_a_path_out_of_its_folder_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="names no file inside the folder `to`"):
        listed({"base": {"to": "m", "repo": "a/b", "files": {path: SHA256}}})


@pytest.mark.parametrize("url", ["https://host", "https://host/", "https://host/a/%2E%2E", "https://host/a%2Fb/.."])
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="names no file inside the folder `to`"):
        listed({"base": {"to": "m", "files": {url: SHA256}}})


@pytest.mark.parametrize("url", ["ftp://host/x", "file:///etc/x", "http:///x", "http://[::1/x", "http://host:port/x"])
def test_only_http_and_https_are_fetched(url: str) -> None:
    with pytest.raises(ConfigError, match="is no http or https URL"):
        listed({"base": {"to": "m", "files": {url: SHA256}}})


def test_a_path_without_a_repository_is_refused() -> None:
    with pytest.raises(ConfigError, match="and there is no `repo` that has it"):
        listed({"base": {"to": "m", "files": {"x.pt": SHA256}}})


def test_an_endpoint_that_is_no_url_is_named() -> None:
    with pytest.raises(ConfigError, match="HF_ENDPOINT: 'mirror' is no http"):
        listed({}, endpoint="mirror")


def test_two_files_for_one_place_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"m/x is to hold two files; the other is https://host/x"):
        listed(
            {"a": {"to": "m", "files": {"https://host/x": None}}, "b": {"to": "m", "repo": "a/b", "files": {"x": None}}}
        )


@pytest.mark.parametrize(
    ("download", "says"),
    [
        ({"to": "m", "files": {"x": "abc"}}, "64 hexadecimal digits"),
        ({"to": "m", "files": ["x"]}, "is no object"),
        ({"to": "m", "files": {}}, "SHA-256 by file"),
        ({"files": {"x": None}}, "'to' is missing"),
        ({"to": "m", "repo": "../x", "files": {"x": None}}, "Hugging Face id, owner/name"),
        ({"to": "m", "sha256": SHA256, "files": {"x": None}}, "no option 'sha256'"),
    ],
)
def test_a_wrong_entry_is_named_by_the_configuration(download: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        listed({"base": download})
