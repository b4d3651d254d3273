"""From a model to the page `/mobile`: the rule, the towers and the tokenizer in a browser, and a search on a phone."""

import base64
import copy
import json
import random
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from scripts.cnclip.compression.export import export_model
from scripts.cnclip.compression.likeness import likeness, probe_rows
from scripts.cnclip.compression.mobile import BROWSER_OPERATORS, make_mobile, operators
from scripts.cnclip.compression.mobile_manifest import Manifest, read_manifest
from scripts.cnclip.compression.onnx_model import OnnxModel
from scripts.cnclip.encoder import open_model
from scripts.cnclip.model_files.folder import ModelFacts, save_model
from scripts.cnclip.tokens import Tokenizer, normalise
from scripts.search.database import Asset, AssetVectors, asset_id, write_database
from scripts.search.server.app import create_app
from scripts.shared.config import read_config
from tests.chromium import CHROMIUM, NO_CHROMIUM, PHONE, chromium
from tests.cnclip_models import golden_model
from tests.search_colours import settings
from tests.served_app import served
from tests.snakemake_run import Place

CAPTIONS = {
    "cat.png": "沙发上的猫",
    "sea.png": "海边日落",
    "cup.png": "红色的杯子",
    "rocket.png": "a rocket in the sky",
}
# Sums of products of bytes are whole numbers, equal everywhere. What is left is the rounding of softmax and norms,
# which may move a value over the edge between two bytes: 0.9997 was the least of 65 texts through RoBERTa-base.
LEAST_COSINE = 0.9995
TOLERANCE = 1e-3  # of the numbers of a unit vector, for the small text tower here


class MobilePlace(Place):
    system = "cnclip"
    name = "none"


@dataclass(frozen=True)
class Site:
    """A served index whose model has towers.

    Attributes:
        url: of the server.
        folder: what was made, with `config.yaml`.
        towers: the folder of the towers.
        manifest: theirs.
        model: the INT8 export in ONNX Runtime.
    """

    url: str
    folder: Path
    towers: Path
    manifest: Manifest
    model: OnnxModel


def write_index(site: Path, model: OnnxModel, changed: Mapping[str, str]) -> None:
    """An index in which each picture lies just where the model puts its caption."""
    (site / "pictures").mkdir(exist_ok=True)
    assets, vectors = [], []
    for number, (name, caption) in enumerate(sorted(CAPTIONS.items())):
        Image.new("RGB", (64, 48), (60 * number, 120, 200)).save(site / "pictures" / name)
        key = f"pictures/{name}"
        assets.append(Asset(asset_id(key), key, "image", size=100, mtime_ns=0, width=64, height=48))
        vectors.append(AssetVectors(asset_id(key), model.encode_text([caption]), np.empty(0)))
    meta: dict[str, Any] = {
        "dataset": "toy", "encoder": "onnx", "model": "tiny.onnx_int8", "model_identity": model.identity,
        "tokenizer_identity": model.tokenizer_identity, "dim": model.dim, "dtype": "float32", "frame_interval": 2.0,
        "min_score": "",
    }  # fmt: skip
    write_database(
        site / "results" / "assets.db", meta | dict(changed), {"pictures": str(site / "pictures")}, assets, vectors
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workplace with a model of random weights."""
    folder = tmp_path_factory.mktemp("mobile")
    save_model(golden_model(), folder / "model", facts=ModelFacts("tiny", source="random numbers"))
    config = {
        "results_dir": str(folder / "results"),
        "work_dir": str(folder / "work"),
        "cnclip": {"models": {"tiny": {"weights": str(folder / "model")}}, "mobile": ["tiny"]},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def site(place: Path) -> Iterator[Site]:
    made = place / "results" / "cnclip"
    exports, towers = made / "exports" / "tiny", made / "mobile" / "tiny"
    exports.parent.mkdir(parents=True)
    export_model(place / "model", exports, name="tiny", forms=("onnx_int8",), device="cpu")
    make_mobile(place / "model", exports, towers)
    model = open_model(exports, "onnx_int8")
    assert isinstance(model, OnnxModel)
    write_index(place, model, {})
    app = create_app(settings(place, config=read_config(place / "config.yaml")), lambda: model)
    with served(app) as url:
        yield Site(url, place, towers, read_manifest(towers), model)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with chromium(tmp_path_factory.mktemp("data")) as started:
        yield started


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A page on a Chinese phone; it fails a test in which it broke its content policy, or wrote an error."""
    wrong: list[str] = []
    context = browser.new_context(**PHONE, locale="zh-CN", base_url=site.url)
    context.set_default_timeout(15_000)
    context.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert [line for line in wrong if "409 (Conflict)" not in line] == []


def ready(page: Page) -> None:
    expect(page.locator("#model")).to_have_text(re.compile("^tiny.*8 位"))


def search(page: Page, words: str) -> list[str]:
    """The names that a query brings, best first."""
    page.locator("#q").fill(words)
    page.keyboard.press("Enter")
    expect(page.locator("#results:not([aria-busy]) #times [data-part=all]")).to_be_visible()
    return page.locator(".card .name").all_inner_texts()


def texts() -> list[str]:
    """Chinese, English, emoji, controls, accents, both cases, long ones and none, drawn with a fixed seed."""
    rng = random.Random(20261122)
    assigned = [chr(code) for code in range(0x11_0000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    pieces = list(Tokenizer()._ids)
    # The last two came with Unicode 16, an accent and a capital: browsers may know them before Python does.
    odd = [
        *("\0\t\n\r\x1c\x85\u200d\ufeff\ufffd\u2028\u3000" + "“”ΣςİıßſÉéÅñ가각\uf8ff"),
        *("e\u0301", "👩\u200d👧", "\U0001f1e8\U0001f1f3", "\u0897", "\u1c89"),
    ]
    kinds = (pieces, odd, assigned, "猫的 ")
    drawn = ["".join(rng.choice(rng.choice(kinds)) for _ in range(rng.randrange(30))) for _ in range(2500)]
    alone = [f"a{mark}b" for mark in [*odd, *rng.sample(assigned, 1000)]]
    long = ["猫" * 600, "a" * 200, "a" * 201, "a b" * 300, "é" * 201, "[SEP] [CLS]", *CAPTIONS.values(), *pieces[-200:]]
    return ["", " ", *drawn, *alone, *long, *(f"ΑΣ{mark}" for mark in odd)]


def test_tokenizer_gives_the_ids_of_python_s(page: Page, site: Site) -> None:
    asked = texts()
    page.goto("/mobile")
    found = page.evaluate(
        """async ([asked, files]) => {
            const { Tokenizer } = await import("/static/tokenizer.js");
            const [words, kinds] = await Promise.all(files.map((file) => fetch(file)));
            const tokenizer = new Tokenizer(await words.text(), await kinds.json());
            const ids = (text) => tokenizer.encode(text, 52).join(" ");
            return asked.map((text) => [ids(text), ids(tokenizer.normalise(text))]);
        }""",
        [asked, ["/api/mobile/vocab.txt", "/api/mobile/characters.json"]],
    )
    tokenizer = Tokenizer(site.towers / "vocab.txt")
    as_they_are, normal = tokenizer.encode(asked), tokenizer.encode([normalise(text) for text in asked])
    for text, ids, wanted, wanted_normal in zip(asked, found, as_they_are, normal, strict=True):
        assert ids == [" ".join(map(str, wanted)), " ".join(map(str, wanted_normal))], ascii(text)


def in_the_browser(page: Page, file: Path, name: str, rows: NDArray[Any]) -> NDArray[np.float32]:
    """Features of rows of a tower's input, one at a time, as the browser computes them."""
    kind = "int64" if rows.dtype == np.int64 else "float32"
    found = page.evaluate(
        """async ([tower, name, kind, shape, rows]) => {
            const ort = await import("/static/vendor/ort.wasm.bundle.min.mjs");
            ort.env.wasm.numThreads = 1;
            ort.env.wasm.wasmBinary = await (await fetch("/mobile/ort.wasm")).arrayBuffer();
            const bytes = Uint8Array.from(atob(tower), (letter) => letter.charCodeAt(0));
            const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
            const found = [];
            for (const row of rows) {
                const data = kind === "int64" ? BigInt64Array.from(row, BigInt) : Float32Array.from(row);
                const [output] = Object.values(await session.run({ [name]: new ort.Tensor(kind, data, shape) }));
                found.push(Array.from(output.data));
            }
            return found;
        }""",
        [
            base64.b64encode(file.read_bytes()).decode(),
            name,
            kind,
            [1, *rows.shape[1:]],
            rows.reshape(len(rows), -1).tolist(),
        ],
    )
    return np.array(found, np.float32)


def test_both_towers_run_in_a_browser_with_all_operators_that_are_let_through(page: Page, site: Site) -> None:
    page.goto("/mobile")
    ready(page)
    used: set[str] = set()
    vocabulary = len(Tokenizer(site.towers / "vocab.txt"))
    for side in ("img", "txt"):
        file = site.towers / site.manifest.files[side].name
        used |= operators(onnx.load(file))
        shape = (3, site.model.image_size, site.model.image_size) if side == "img" else (site.model.context_length,)
        rows = probe_rows(side, shape, vocabulary=vocabulary)
        wanted = np.concatenate([site.model.features(side, rows[place : place + 1]) for place in range(len(rows))])
        found = in_the_browser(page, file, site.manifest.inputs[side], rows)
        assert likeness(found, wanted).least_cosine >= LEAST_COSINE
    assert used == BROWSER_OPERATORS


def test_words_on_a_phone_bring_the_right_picture_first_by_the_vector_of_onnx_runtime(page: Page, site: Site) -> None:
    page.goto("/mobile")
    ready(page)
    for name, caption in CAPTIONS.items():
        with page.expect_request("**/api/search/vector") as sent:
            assert search(page, caption)[0] == name
        body = sent.value.post_data_json
        assert body["model_identity"] == site.model.identity
        assert np.linalg.norm(body["vector"]) == pytest.approx(1, abs=1e-6)
        assert np.abs(np.array(body["vector"]) - site.model.encode_text([caption])[0]).max() <= TOLERANCE
    parts = {part: page.locator(f"[data-part={part}] dd").inner_text() for part in ("all", "tokens", "encoding", "way")}
    assert all(re.fullmatch(r"[\d.]+ 毫秒", took) for took in parts.values()), parts
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.locator("#language").click()
    expect(page.locator("#model")).to_have_text(re.compile(r"tiny \(8 bits, .* reads your words in this browser"))


def test_a_second_visit_takes_the_model_from_the_browser_s_own_store_and_asks_what_the_address_says(page: Page) -> None:
    page.goto("/mobile")
    ready(page)
    page.goto("/mobile?q=海边日落")
    expect(page.locator(".card .name").first).to_have_text("sea.png")
    sizes = page.evaluate(
        """performance.getEntriesByType("resource").filter(({ name }) => /ort.wasm[?]|api.mobile./.test(name))
            .map(({ name, transferSize }) => [name.replace(/.*mobile.|[?].*/g, ""), transferSize])"""
    )
    assert dict(sizes) == {"ort.wasm": 0, "text.onnx": 0, "vocab.txt": 0, "characters.json": 0}


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({"encoder": "conse"}, ["它由 conse 制作", "model: tiny.onnx_int8", "cnclip_export_mobile all_search"]),
        ({"model": "large"}, ["制作它的模型 large 尚未", "cnclip_export_mobile"]),
    ],
)
def test_index_of_another_model_is_not_asked_and_the_page_says_what_to_do(
    page: Page, site: Site, tmp_path: Path, meta: dict[str, str], words: list[str]
) -> None:
    other = copy.copy(site.model)
    other.identity = "other"
    write_index(tmp_path, other, meta)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with served(create_app(settings(tmp_path, config=read_config(site.folder / "config.yaml")), lambda: other)) as url:
        page.goto(f"{url}/mobile?q=猫")
        for part in words:
            expect(page.locator("#view")).to_contain_text(part)
        page.locator("#q").press("Enter")
    assert [url for url in asked if "text.onnx" in url or "vector" in url] == []


def test_file_that_arrives_otherwise_than_announced_is_not_used(page: Page) -> None:
    page.route("**/api/mobile/vocab.txt*", lambda route: route.fulfill(body="[PAD]\n"))
    page.goto("/mobile?q=猫")
    expect(page.locator("#view")).to_contain_text("/api/mobile/vocab.txt 未完整到达")


def test_server_whose_model_changed_under_the_page_refuses_its_vectors(page: Page) -> None:
    def stale(route: Route) -> None:
        told = route.fetch().json()
        told["index"]["model_identity"] = "that of an hour ago"
        route.fulfill(json=told)

    page.route("**/api/mobile", stale)
    page.goto("/mobile?q=猫")
    expect(page.locator("#view")).to_contain_text("索引已用另一个模型重新制作")
    assert page.locator(".card").count() == 0


@pytest.mark.slow  # half a minute: three processes load torch
def test_the_rule_makes_towers_and_a_table_of_a_model_without_data(place: Path, tmp_path: Path) -> None:
    here = MobilePlace(tmp_path)
    config = yaml.safe_load((place / "config.yaml").read_text()) | {"results_dir": "results", "work_dir": "work"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    here.make("cnclip_export_mobile", timeout_s=250)
    made = tmp_path / "results" / "cnclip" / "mobile"
    assert read_manifest(made / "tiny").name == "tiny"
    rows = json.loads((made / "tiny.json").read_text())
    assert [row["form"] for row in rows] == ["onnx_fp32", "onnx_int8", "int8 texts, fp32 pictures"]
    assert (made / "tiny.png").read_bytes().startswith(b"\x89PNG")
    assert here.run("cnclip_export_mobile").nothing_to_do
