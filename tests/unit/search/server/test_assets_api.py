"""One asset: its file, small picture and clips; tags; hiding it."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from scripts.shared.video.frames import read_frames
from tests import search_colours
from tests.search_colours import VIDEO
from tests.unit.search.server.conftest import client_of, wait_for


def picture(answer: object) -> Image.Image:
    made = Image.open(io.BytesIO(answer.content))  # type: ignore[attr-defined]
    made.load()
    return made


def test_a_file_is_served_whole_with_its_type_and_name(client: TestClient, place: Path, ids: dict[str, int]) -> None:
    answer = client.get(f"/api/assets/{ids[VIDEO]}/file")
    assert answer.content == (place / VIDEO).read_bytes()
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == "inline; filename*=utf-8''%E7%89%87%E6%AE%B5.mp4"
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = client.head(f"/api/assets/{ids[VIDEO]}/file")
    assert (head.status_code, head.content) == (200, b"")


def test_byte_ranges_are_those_of_the_file(client: TestClient, place: Path, ids: dict[str, int]) -> None:
    data, url = (place / VIDEO).read_bytes(), f"/api/assets/{ids[VIDEO]}/file"
    for header, part in (
        ("0-0", data[:1]),
        ("5-9", data[5:10]),
        ("7-", data[7:]),
        ("-4", data[-4:]),
        ("0-9999999", data),
    ):
        answer = client.get(url, headers={"Range": f"bytes={header}"})
        assert (answer.status_code, answer.content) == (206, part), header
    many = client.get(url, headers={"Range": "bytes=0-1,4-5"})
    assert many.status_code == 206
    assert many.headers["content-type"].startswith("multipart/byteranges")


@pytest.mark.parametrize(
    "header",
    [
        "bytes=999999-", "bytes=-0", "bytes=5-2", "bytes=", "bytes=a-b", "pages=0-1", "potato", "bytes=-", "bytes=--5",
        "bytes=99999999999999999999999999-", "bytes=" + ",".join(["0-1"] * 200), "bytes=0-" + "9" * 5000,
    ],
)  # fmt: skip
def test_odd_ranges_are_refused_with_the_size(
    client: TestClient, ids: dict[str, int], place: Path, header: str
) -> None:
    answer = client.get(f"/api/assets/{ids[VIDEO]}/file", headers={"Range": header})
    assert (answer.status_code, answer.json()["error"]) == (416, "range")
    assert answer.headers["content-range"] == f"bytes */{(place / VIDEO).stat().st_size}"


def test_a_small_picture_fits_its_edge_and_is_kept(client: TestClient, place: Path, ids: dict[str, int]) -> None:
    url = f"/api/assets/{ids['pictures/red.png']}/thumb"
    small = picture(client.get(f"{url}?size=50"))
    assert (small.format, small.size) == ("JPEG", (96, 64))  # never made larger than it is
    assert np.asarray(small)[30, 40].tolist() == pytest.approx([254, 0, 0], abs=3)
    kept = list((place / "work" / "thumbs").glob("*/*.jpg"))
    assert client.get(f"{url}?size=160").content == client.get(f"{url}?size=1").content
    assert list((place / "work" / "thumbs").glob("*/*.jpg")) == kept
    assert client.get(f"{url}?size=1601").status_code == 422


@pytest.mark.parametrize(
    ("time", "colour"), [("", "red"), ("?time=4.4", "green"), ("?time=3.9", "green"), ("?time=900", "blue")]
)
def test_the_small_picture_of_a_video_is_the_frame_at_that_second(
    client: TestClient, ids: dict[str, int], time: str, colour: str
) -> None:
    pixel = np.asarray(picture(client.get(f"/api/assets/{ids[VIDEO]}/thumb{time}")))[20, 20]
    assert pixel.tolist() == pytest.approx(search_colours.NAMES[colour], abs=12)


def test_a_clip_has_just_its_frames(client: TestClient, tmp_path: Path, ids: dict[str, int]) -> None:
    answer = client.get(f"/api/assets/{ids[VIDEO]}/clip?start=3.5&end=6.5&download=1")
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=utf-8''%E7%89%87%E6%AE%B5_3.5-6.5s")
    (tmp_path / "clip.mp4").write_bytes(answer.content)
    frames = read_frames(tmp_path / "clip.mp4", lambda n: np.arange(n), height=48, width=64).frames
    assert len(frames) == 30
    brightest = frames[:, 20, 20].argmax(axis=1).tolist()
    assert brightest == [0] * 5 + [1] * 20 + [2] * 5


@pytest.mark.parametrize(
    "query",
    ["start=0&end=60.1", "start=3&end=3", "start=4&end=2", "start=-1&end=2", "start=nan&end=2", "start=0&end=inf",
     "start=50&end=52", "start=0", "start=a&end=b"],
)  # fmt: skip
def test_odd_clips_are_refused(client: TestClient, ids: dict[str, int], query: str) -> None:
    answer = client.get(f"/api/assets/{ids[VIDEO]}/clip?{query}")
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "message"}


def test_a_picture_has_no_clips_and_what_is_not_there_nothing(client: TestClient, ids: dict[str, int]) -> None:
    assert client.get(f"/api/assets/{ids['pictures/red.png']}/clip?start=0&end=1").status_code == 422
    for what in ("", "/file", "/thumb", "/clip?start=0&end=1"):
        assert client.get(f"/api/assets/12345{what}").status_code == 404
    for odd in ("-1", "1e3", "99999999999999999999", "%00", "..", "a"):
        assert client.get(f"/api/assets/{odd}/file").status_code in (404, 422)


def test_an_asset_tells_all_that_is_known(client: TestClient, place: Path, ids: dict[str, int]) -> None:
    told = client.get(f"/api/assets/{ids[VIDEO]}").json()
    assert told["frame_times"] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert (told["width"], told["height"], told["hidden"], told["tags"]) == (64, 48, False, [])
    assert told["file"] == str(place / VIDEO)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[TestClient, Path]]:
    """A server of a folder that the test may change."""
    folders = search_colours.make_folders(tmp_path)
    search_colours.index(tmp_path / "results" / "assets.db", folders)
    with client_of(tmp_path) as client:
        wait_for(client, "ready")
        yield client, tmp_path


def ids_of(client: TestClient) -> dict[str, int]:
    return {hit["path"]: hit["id"] for hit in client.get("/api/search").json()["results"]}


def test_tags_and_hiding_outlive_the_server_and_a_new_index(own: tuple[TestClient, Path]) -> None:
    client, place = own
    ids = ids_of(client)
    red, blue = ids["pictures/red.png"], ids["pictures/blue.png"]
    assert client.put(f"/api/assets/{red}/tags", json={"tags": [" warm  colour ", "红", "红"]}).json()["tags"] == [
        "warm colour",
        "红",
    ]
    assert client.delete(f"/api/assets/{blue}").json() == {"id": blue, "hidden": True}
    folders = {name: str(place / name) for name in ("pictures", "videos")}
    search_colours.index(place / "results" / "assets.db", folders)
    with client_of(place) as again:
        wait_for(again, "ready")
        assert [hit["tags"] for hit in again.get("/api/search?q=red&tag=红").json()["results"]] == [
            ["warm colour", "红"]
        ]
        assert again.get("/api/tags").json() == {
            "tags": [{"tag": "warm colour", "count": 1}, {"tag": "红", "count": 1}]
        }
        assert "pictures/blue.png" not in ids_of(again)
        assert [hit["id"] for hit in again.get("/api/hidden").json()["results"]] == [blue]
        assert (place / "pictures" / "blue.png").exists()
        assert again.post(f"/api/assets/{blue}/restore").json() == {"id": blue, "hidden": False}
        assert ids_of(again)["pictures/blue.png"] == blue


@pytest.mark.parametrize("tags", [[""], ["a" * 65], [str(n) for n in range(51)], ["\x07"], "red", [1], ["\u202e"]])
def test_odd_tags_are_refused(client: TestClient, ids: dict[str, int], tags: object) -> None:
    answer = client.put(f"/api/assets/{ids['pictures/red.png']}/tags", json={"tags": tags})
    assert (answer.status_code, answer.json()["error"]) == (422, "parameters")


def test_no_link_leads_out_of_the_folders(own: tuple[TestClient, Path]) -> None:
    client, place = own
    ids = ids_of(client)
    secret = place / "secret.png"
    Image.new("RGB", (80, 80), (1, 2, 3)).save(secret)
    for name, target in (("red", secret), ("green", Path("/etc/passwd")), ("blue", Path("blue.png"))):
        path = place / "pictures" / f"{name}.png"
        path.unlink()
        path.symlink_to(target)
        for what in ("file", "thumb"):
            answer = client.get(f"/api/assets/{ids[f'pictures/{name}.png']}/{what}")
            assert answer.status_code == 404, (name, what)
    # A link within the folder is a file of the folder.
    (place / "pictures" / "red.png").unlink()
    (place / "pictures" / "red.png").symlink_to("yellow.png")
    assert client.get(f"/api/assets/{ids['pictures/red.png']}/file").status_code == 200


def test_a_folder_that_becomes_a_link_out_shows_nothing(own: tuple[TestClient, Path]) -> None:
    client, place = own
    ids = ids_of(client)
    (place / "elsewhere").mkdir()
    (place / VIDEO).rename(place / "elsewhere" / "片段.mp4")
    (place / "videos" / "sub").symlink_to(place / "elsewhere")
    assert client.get(f"/api/assets/{ids[VIDEO]}/file").status_code == 404


def test_a_file_that_is_gone_or_a_pipe_is_said_to_be_gone(own: tuple[TestClient, Path]) -> None:
    client, place = own
    ids = ids_of(client)
    (place / "pictures" / "red.png").unlink()
    (place / "pictures" / "green.png").unlink()
    os.mkfifo(place / "pictures" / "green.png")
    (place / "pictures" / "blue.png").write_bytes(b"damaged since")
    for name, status in (("red", 404), ("green", 404), ("blue", 422)):
        answer = client.get(f"/api/assets/{ids[f'pictures/{name}.png']}/thumb")
        assert answer.status_code == status
        assert answer.json()["message"]


def test_a_changed_file_gets_a_new_small_picture(own: tuple[TestClient, Path]) -> None:
    client, place = own
    url = f"/api/assets/{ids_of(client)['pictures/red.png']}/thumb"
    before = client.get(url).content
    Image.new("RGB", (96, 64), (10, 20, 200)).save(place / "pictures" / "red.png")
    assert client.get(url).content != before


def test_a_clip_of_a_codec_that_browsers_lack_is_encoded_again(own: tuple[TestClient, Path], tmp_path: Path) -> None:
    client, place = own
    video = place / VIDEO
    with av.open(str(video), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(100):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    made = tmp_path / "clip.mp4"
    made.write_bytes(client.get(f"/api/assets/{ids_of(client)[VIDEO]}/clip?start=0&end=2").content)
    with av.open(str(made)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == "h264"
        assert sum(1 for _ in container.decode(video=0)) == 20


def test_a_disk_that_is_full_is_said_and_serves_on(
    own: tuple[TestClient, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = own
    ids = ids_of(client)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scripts.search.server.kept_files.os.replace", full)
    answer = client.get(f"/api/assets/{ids['pictures/red.png']}/thumb")
    assert (answer.status_code, answer.json()["error"]) == (503, "disk")
    assert "No space" in answer.json()["message"]
    assert client.get("/api/search?q=red").status_code == 200
