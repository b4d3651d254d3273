"""What the page that encodes in the browser is given, and for which index."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from scripts.cnclip.compression.mobile_manifest import MANIFEST, Manifest, MobileFile, preprocessing, write_manifest
from scripts.search.server import mobile
from scripts.search.server.guard import CONTENT_POLICY
from scripts.search.server.settings import STATIC
from tests.search_colours import IDENTITY, index, make_folders
from tests.unit.search.server.conftest import client_of, wait_for

CONTENTS = {"img": b"pictures", "txt": b"texts", "vocab": b"[PAD]\n", "characters": b"{}"}
INDEX = {"encoder": "onnx", "model": "tiny.onnx_int8", "model_identity": "int8"}


def write_towers(folder: Path, **changed: Any) -> Path:
    """A folder of towers whose files hold no towers."""
    folder.mkdir(parents=True)
    files = {}
    for key, content in CONTENTS.items():
        (folder / f"tiny.{key}").write_bytes(content)
        files[key] = MobileFile(f"tiny.{key}", len(content), hashlib.sha256(content).hexdigest())
    given: dict[str, Any] = {
        "name": "tiny", "form": "onnx_int8", "identity": "int8", "relatives": {"torch": "fp32"}, "weights_sha256": "w",
        "tokenizer_identity": "t", "dim": 4, "context_length": 52, "image_size": 32, "logit_scale": 100.0, "opset": 20,
        "operators": (), "files": files, "inputs": {"txt": "text", "img": "image"}, "outputs": {"txt": "o", "img": "o"},
        "preprocessing": preprocessing(52, 32),
    }  # fmt: skip
    write_manifest(folder, Manifest(**given | changed))
    return folder


def configured(results: Path, *names: str) -> dict[str, Any]:
    models: dict[str, Any] = {name: {"weights": f"{name}.pt"} for name in names}
    return {"results_dir": str(results), "cnclip": {"mobile": list(names), "models": models, "runs": {}}}


@pytest.mark.parametrize(
    "meta",
    [INDEX, {"encoder": "chinese_clip", "model": "tiny", "model_identity": "fp32"}],
    ids=["int8", "same weights"],
)
def test_towers_of_the_model_that_made_the_index_answer(tmp_path: Path, meta: dict[str, str]) -> None:
    write_towers(tmp_path / "cnclip" / "mobile" / "other", identity="another", relatives={})
    folder = write_towers(tmp_path / "cnclip" / "mobile" / "tiny")
    found = mobile.find_towers(configured(tmp_path, "other", "tiny"), meta)
    assert (found.folder, found.reason, found.message) == (folder, "", "")


def test_towers_of_other_weights_do_not_answer(tmp_path: Path) -> None:
    write_towers(tmp_path / "cnclip" / "mobile" / "tiny")
    found = mobile.find_towers(configured(tmp_path, "tiny"), INDEX | {"model_identity": "trained again"})
    assert (found.folder, found.manifest, found.reason) == (None, None, "not_made")
    assert found.mend == "snakemake --profile local_cpu cnclip_export_mobile"


def test_towers_that_are_yet_to_be_made_or_damaged_are_named(tmp_path: Path) -> None:
    (write_towers(tmp_path / "cnclip" / "mobile" / "tiny") / MANIFEST).write_text("{")
    found = mobile.find_towers(configured(tmp_path, "tiny", "missing"), INDEX)
    assert found.reason == "not_made"
    for part in (
        "tiny.onnx_int8",
        "tiny/manifest.json: does not describe towers",
        "missing/manifest.json: No such file",
    ):
        assert part in found.message


@pytest.mark.parametrize(("names", "model"), [(("tiny",), "tiny.onnx_int8"), ((), "NAME.onnx_int8")])
def test_encoder_without_towers_names_the_options_that_help(tmp_path: Path, names: tuple[str, ...], model: str) -> None:
    found = mobile.find_towers(configured(tmp_path, *names), INDEX | {"encoder": "conse"})
    assert found.reason == "encoder"
    assert f"`encoder: onnx` and `model: {model}`" in found.message
    assert found.mend.endswith("cnclip_export_mobile all_search")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("mobile")
    more = {"encoder": "onnx", "model": "tiny.onnx_int8"}
    index(here / "results" / "assets.db", make_folders(here), **more)
    write_towers(here / "cnclip" / "mobile" / "tiny", identity=IDENTITY)
    return here


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[TestClient]:
    with client_of(place, config=configured(place, "tiny")) as asking:
        wait_for(asking, "ready")
        yield asking


def test_page_may_run_webassembly_and_no_other_page_may(client: TestClient) -> None:
    policy = client.get("/mobile").headers["content-security-policy"]
    assert policy == f"{CONTENT_POLICY}; script-src 'self' 'wasm-unsafe-eval'"
    for path in ("/", "/static/mobile.js", "/api/mobile", "/mobile/ort.wasm"):
        assert client.get(path).headers["content-security-policy"] == CONTENT_POLICY


def test_files_are_those_of_the_towers_and_may_be_kept_for_ever(client: TestClient) -> None:
    told = client.get("/api/mobile").json()
    assert (told["ready"], told["index"]["model_identity"]) == (True, IDENTITY)
    for key, held in (("text", "txt"), ("vocab", "vocab"), ("characters", "characters")):
        file = told["towers"]["files"][key]
        answer = client.get(file["url"])
        assert answer.content == CONTENTS[held]
        assert (file["size_bytes"], file["sha256"]) == (len(answer.content), hashlib.sha256(answer.content).hexdigest())
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


def test_file_of_earlier_towers_is_not_given_under_their_address(client: TestClient) -> None:
    answer = client.get("/api/mobile/text.onnx?v=0123")
    assert (answer.status_code, answer.json()["error"]) == (404, "other_towers")
    assert client.get("/api/mobile/text.onnx").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["tiny.img", "..%2F..%2Fassets.db", "manifest.json", "img.onnx"])
def test_no_other_file_can_be_named(client: TestClient, name: str) -> None:
    assert client.get(f"/api/mobile/{name}").status_code == 404


def test_tower_that_was_cut_off_is_not_given(client: TestClient, place: Path) -> None:
    file = place / "cnclip" / "mobile" / "tiny" / "tiny.txt"
    file.write_bytes(b"text")
    try:
        answer = client.get("/api/mobile/text.onnx")
    finally:
        file.write_bytes(CONTENTS["txt"])
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


def test_runtime_comes_as_gzip_or_as_it_is(client: TestClient) -> None:
    url = client.get("/api/mobile").json()["runtime"]["url"]
    packed = client.get(url, headers={"Accept-Encoding": "gzip"})
    plain = client.get(url, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content  # the client unpacks
    assert packed.headers["content-type"] == plain.headers["content-type"] == "application/wasm"
    assert "immutable" in packed.headers["cache-control"]
    assert len(plain.content) == mobile.RUNTIME_BYTES


def test_vendored_files_are_the_ones_that_are_written_down() -> None:
    folder = STATIC / "vendor"
    said = (folder / "VENDORED.md").read_text(encoding="utf-8")
    assert f"onnxruntime-web {mobile.RUNTIME_VERSION}" in said
    wasm = gzip.decompress((folder / "ort-wasm-simd-threaded.wasm.gz").read_bytes())
    for content in (wasm, (folder / "ort.wasm.bundle.min.mjs").read_bytes()):
        assert hashlib.sha256(content).hexdigest() in said
    assert "MIT License" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert b"THIRD PARTY" in gzip.decompress((folder / "ThirdPartyNotices.txt.gz").read_bytes()).upper()


def test_index_without_towers_gives_a_reason_and_no_file(place: Path) -> None:
    with client_of(place) as asking:
        wait_for(asking, "ready")
        told = asking.get("/api/mobile").json()
        answer = asking.get("/api/mobile/text.onnx")
    assert (told["ready"], told["reason"], told["towers"]) == (False, "not_made", None)
    assert (answer.status_code, json.loads(answer.content)["error"]) == (409, "not_made")
