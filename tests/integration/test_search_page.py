"""The search's page in a real Chromium: what a user does, with eyes, fingers, or a keyboard alone."""

import base64
import csv
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect

from scripts.cnclip.encoder import ImageTextEncoder
from scripts.search.database import asset_id
from scripts.search.encoders import open_encoder
from tests.chromium import CHROMIUM, NO_CHROMIUM, PHONE, chromium
from tests.search_site import HOSTILE, NEW, Site, make_place, serving
from tests.snakemake_run import ROOT

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
NARROW: dict[str, Any] = {**PHONE, "viewport": {"width": 360, "height": 740}}
ENGLISH, CHINESE = {"locale": "en-US"}, {"locale": "zh-CN"}
FOCUS_STOPS = 40  # Tab comes from the top of the page to the first result within so many

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def encoder() -> ImageTextEncoder:
    return open_encoder("conse", "", {}, device="cpu")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, encoder: ImageTextEncoder) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("search")
    make_place(place, encoder)
    with serving(place, lambda: encoder) as site:
        yield site


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser")) as started:
        yield started


class Watch:
    """What went wrong in pages, unless a test expects it."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.expected: list[str] = []  # parts of messages

    def pages_of(self, context: BrowserContext, url: str) -> None:
        context.on("console", self.hear)
        context.on("weberror", lambda error: self.note(f"uncaught: {error.error}"))
        context.on("request", lambda request: self.check(request, url))

    def hear(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self.note(f"{said.text} ({said.location['url']})")

    def note(self, what: str) -> None:
        self.wrong.append(what)

    def check(self, request: Request, url: str) -> None:
        if not request.url.startswith((f"{url}/", "blob:", "data:")):
            self.note(f"asked for {request.url}")

    def left(self) -> list[str]:
        return [what for what in self.wrong if not any(part in what for part in self.expected)]


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fails a test in which a page broke its content policy, wrote an error, or asked another host."""
    watching = Watch()
    yield watching
    assert watching.left() == []


@pytest.fixture
def opened(browser: Browser, site: Site, watch: Watch) -> Iterator[Open]:
    """Opens the page, at a path, in a browser of its own."""
    with ExitStack() as stack:

        def open_page(path: str = "/", *, on: Site = site, **options: Any) -> Page:
            context = browser.new_context(**{**DESKTOP, **ENGLISH, **options}, base_url=on.url)
            stack.callback(context.close)
            context.set_default_timeout(10_000)
            watch.pages_of(context, on.url)
            page = context.new_page()
            page.goto(path)
            return page

        yield open_page


def search(page: Page, words: str) -> None:
    page.locator("#q").fill(words)
    page.keyboard.press("Enter")
    settle(page)


def settle(page: Page) -> None:
    """Wait until what was asked for is shown."""
    expect(page.locator("#results:not([aria-busy]) .summary")).not_to_be_empty()


def cards(page: Page) -> Locator:
    return page.locator(".card")


def names(page: Page) -> list[str]:
    return page.locator(".card .name").all_inner_texts()


def close_viewer(page: Page) -> None:
    """Close the open file, and wait until the browser's history is back where it was opened."""
    page.locator("#viewer-close").click()
    expect(page.locator("#viewer")).to_be_hidden()
    page.evaluate(HISTORY_IS_BACK)


HISTORY_IS_BACK = """() => new Promise((done) => {
  const look = () => (history.state?.viewer ? setTimeout(look, 10) : done());
  look();
})"""


def file_of(site: Site, name: str) -> Path:
    return next((site.place / "files").rglob(name))


SHOWN_SECOND = """(video) => new Promise((done) => {
  const look = () => (video.readyState >= 2 && !video.seeking ? done(video.currentTime) : setTimeout(look, 20));
  look();
})"""


def seconds(page: Page) -> float:
    """Where the video stands, once it shows a frame."""
    return float(page.locator("video").evaluate(SHOWN_SECOND))


@pytest.mark.parametrize("shape", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_chinese_words_bring_the_right_picture_first(opened: Open, shape: dict[str, Any]) -> None:
    page = opened(**shape, **CHINESE)
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    search(page, "一杯咖啡")
    expect(cards(page).first.locator(".name")).to_have_text("coffee.heic")
    search(page, "rocket")
    expect(cards(page).first.locator(".name")).to_have_text("rocket.webp")
    page.get_by_role("radio", name="图片").check()
    search(page, "一只猫")
    expect(cards(page).first.locator(".name")).to_have_text("cat.jpg")
    expect(page.locator("#status-line")).to_contain_text("ConSE，EfficientNet-Lite0 and multilingual-e5-small")  # noqa: RUF001
    expect(page.locator("#status-line")).to_contain_text("39")  # vectors


def test_words_that_are_not_wanted_leave_their_pictures_out(opened: Open) -> None:
    page = opened()
    search(page, "咖啡")
    with_cats = page.locator("#summary").inner_text()
    assert "cat.jpg" in names(page)
    page.locator("#filters-toggle").click()
    page.locator("#neg").fill("猫")
    page.locator("#neg").press("Enter")
    expect(page.locator("#summary")).not_to_have_text(with_cats)
    assert "cat.jpg" not in names(page)
    assert names(page)[0] == "coffee.heic"


def test_a_video_opens_at_its_moment_and_its_segments_play(opened: Open, site: Site) -> None:
    page = opened("/?kind=video")
    search(page, "咖啡")  # its last scene, from second 12
    card = cards(page).filter(has_text="scenes.mp4")
    expect(card.locator(".badge")).to_contain_text("0:12 / 0:16")
    card.locator(".open").click()
    assert seconds(page) == pytest.approx(12.0, abs=0.05)
    moment = page.locator(".moment")
    expect(moment).to_have_count(1)
    expect(moment).to_contain_text("0:11 – 0:15")  # noqa: RUF001
    moment.click()
    expect(page.locator("video")).to_have_js_property("paused", False)
    assert 11.0 <= seconds(page) < 12.0
    with page.expect_download() as download:
        page.locator(".moments a").click()
    assert Path(download.value.path()).read_bytes()[4:8] == b"ftyp"


def test_a_video_that_browsers_cannot_play_is_shown_as_a_clip(opened: Open) -> None:
    page = opened("/?kind=video")
    search(page, "咖啡")
    cards(page).filter(has_text="old.avi").locator(".open").click()
    # The clip begins two seconds before the moment, which is at second 12 of the file.
    assert seconds(page) == pytest.approx(2.0, abs=0.3)
    expect(page.locator(".clip-note")).to_contain_text("0:10 to 0:16")
    page.get_by_role("button", name="Earlier").click()
    expect(page.locator(".clip-note")).to_contain_text("0:00 to 0:16")
    assert seconds(page) == pytest.approx(0.0, abs=0.3)


def test_on_a_phone_back_closes_what_fills_the_screen(opened: Open) -> None:
    page = opened("/?path=things/", **PHONE)
    page.get_by_role("radio", name="Pictures").check()
    expect(page).to_have_url(re.compile("kind=image"))
    settle(page)
    cards(page).nth(1).locator(".open").click()
    expect(page.locator("#viewer")).to_be_visible()
    page.go_back()
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page).to_have_url(re.compile("kind=image"))
    cards(page).nth(1).locator(".open").click()
    close_viewer(page)
    cards(page).nth(1).locator(".open").click()
    page.get_by_role("button", name="More like this").click()
    page.wait_for_url(re.compile("like="))
    settle(page)
    page.go_back()  # to the results, not to the file
    page.wait_for_url(re.compile("path=things.*"))
    expect(cards(page)).to_have_count(5)
    expect(page).to_have_url(re.compile("kind=image"))


def test_more_like_a_frame_of_a_video(opened: Open) -> None:
    page = opened("/?kind=video")
    search(page, "咖啡")
    cards(page).filter(has_text="scenes.mp4").locator(".open").click()
    seconds(page)
    page.evaluate("document.querySelector('video').currentTime = 5.5")  # the cat
    seconds(page)
    page.get_by_role("button", name="More like this frame").click()
    page.wait_for_url(re.compile(r"like=\d+&time=5\.500"))
    expect(page.locator("#picture-name")).to_have_text("scenes.mp4, at 0:05")
    page.get_by_role("radio", name="Pictures").check()
    expect(cards(page).first.locator(".name")).to_contain_text("cat")


@pytest.mark.parametrize("shape", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_uploaded_picture_finds_its_like(opened: Open, site: Site, shape: dict[str, Any]) -> None:
    page = opened(**shape)
    with page.expect_file_chooser() as chooser:
        page.locator("#picture-choose").click()
    chooser.value.set_files(file_of(site, "rocket.webp"))
    expect(page.locator("#summary")).to_contain_text("ms")
    expect(cards(page).first.locator(".facts")).to_contain_text("1.000")
    assert names(page)[0] == "rocket.webp"
    expect(page.locator("#picture canvas")).to_be_visible()
    page.locator("#picture-remove").click()
    expect(page.locator("#summary")).to_contain_text("newest first")
    expect(page.locator("#q")).to_be_focused()


def test_a_pasted_picture_finds_its_like_and_the_back_button_leads_away(opened: Open, site: Site) -> None:
    page = opened("/", permissions=["clipboard-read", "clipboard-write"])
    search(page, "astronaut")
    page.evaluate(
        """async (name) => {
          const found = await (await fetch("/api/search?path=" + name)).json();
          const file = await fetch(`/api/assets/${found.results[0].id}/file`);
          const picture = await createImageBitmap(await file.blob());
          const canvas = new OffscreenCanvas(picture.width, picture.height);
          canvas.getContext("2d").drawImage(picture, 0, 0);
          await navigator.clipboard.write([new ClipboardItem({ "image/png": await canvas.convertToBlob() })]);
        }""",
        "flower.jpg",
    )
    page.keyboard.press("Control+V")
    expect(page.locator("#picture")).to_be_visible()
    expect(cards(page).first.locator(".name")).to_have_text("flower.jpg")
    page.go_back()
    expect(page.locator("#q")).to_have_value("astronaut")
    expect(page.locator("#picture")).to_be_hidden()
    page.go_forward()
    expect(cards(page).first.locator(".name")).to_have_text("flower.jpg")


DROP = """([words, name, type]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([Uint8Array.from(atob(words), (c) => c.charCodeAt(0))], name, { type }));
  for (const kind of ["dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: carried }));
  }
}"""


def test_a_dropped_picture_is_searched_and_what_is_none_is_refused(opened: Open, site: Site, watch: Watch) -> None:
    page = opened()
    expect(cards(page).first).to_be_visible()
    page.evaluate(DROP, [base64.b64encode(file_of(site, "retina.jpg").read_bytes()).decode(), "c.jpg", "image/jpeg"])
    expect(page.locator("#picture-name")).to_have_text("c.jpg")
    expect(cards(page).first.locator(".facts")).to_contain_text("1.000")
    page.evaluate(DROP, [base64.b64encode(b"hello").decode(), "<b>.txt", "text/plain"])
    expect(page.locator(".toast")).to_contain_text("“<b>.txt” is not a picture.")
    watch.expected.append("422")  # what only claims to be a picture is told by the server
    page.evaluate(DROP, [base64.b64encode(b"hello").decode(), "c.jpg", "image/jpeg"])
    expect(page.locator(".state")).to_contain_text("Something is wrong")
    expect(page.locator("#drop")).to_be_hidden()


def test_more_like_this(opened: Open) -> None:
    page = opened("/?path=cat.jpg")
    cards(page).first.hover()
    page.get_by_role("button", name="More like cat.jpg").click()
    page.wait_for_url(re.compile(r"like=\d+"))
    expect(page.locator("#summary")).to_contain_text("result")
    page.goto(re.sub("path=cat.jpg&?", "", page.url))  # the address is all that it takes
    expect(cards(page).first.locator(".name")).to_contain_text("cat")
    assert {"cat.jpg", "cat_small.jpg"} <= set(names(page)[:4])


def test_filters_narrow_the_hits_and_stay_in_the_address(opened: Open) -> None:
    page = opened()
    expect(page.locator("#summary")).to_contain_text("24 files")
    page.get_by_role("radio", name="Videos").check()
    expect(page.locator("#summary")).to_have_text("3 files, newest first")
    page.get_by_role("radio", name="All").check()
    page.locator("#filters-toggle").click()
    page.locator("#path").fill("THINGS/")
    page.locator("#path").press("Tab")
    expect(page.locator("#summary")).to_have_text("5 files, newest first")
    dates = [page.locator(f"#{name}") for name in ("from", "to")]
    page.locator("#path").fill("cat")
    page.locator("#path").press("Enter")
    expect(page.locator("#summary")).to_have_text("2 files, newest first")
    changed = page.evaluate("fetch('/api/search?path=cat.jpg').then((a) => a.json())")["results"][0]["mtime"][:10]
    for field in dates:
        field.fill(changed)
    expect(page.locator("#summary")).to_have_text("1 file, newest first")
    assert names(page) == ["cat.jpg"]
    expect(page.locator("#filters-count")).to_have_text("3")
    page.reload()
    expect(page.locator("#summary")).to_have_text("1 file, newest first")
    expect(page.locator("#from")).to_have_value(changed)
    expect(page.locator("#filters")).to_be_visible()  # that it was open is remembered
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("#summary")).to_contain_text("24 files")


def test_the_least_score_is_off_until_the_calibrated_one_is_taken(opened: Open) -> None:
    page = opened()
    search(page, "咖啡")
    expect(page.locator("#summary")).to_contain_text("24 results")
    page.locator("#filters-toggle").click()
    expect(page.locator("#min_score")).to_have_value("")
    page.get_by_role("button", name="Use 0.123").click()
    expect(page.locator("#min_score")).to_have_value("0.123")
    expect(page.locator("#summary")).not_to_contain_text("24 results")
    scores = [float(facts.split(" ")[0]) for facts in page.locator(".card .facts").all_inner_texts()]
    assert min(scores) >= 0.123
    page.locator("#min_score").fill("0.99")
    page.locator("#min_score").press("Enter")
    expect(page.locator(".state")).to_contain_text("Nothing found")
    page.locator(".state").get_by_role("button", name="Clear filters").click()
    expect(page.locator("#summary")).to_contain_text("24 results")


def test_pages_follow_each_other_without_a_hit_lost_or_doubled(opened: Open) -> None:
    page = opened()
    page.locator("#page-size").select_option("12")
    expect(page.locator("#summary")).to_contain_text("page 1 of 2")
    first = names(page)
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#summary")).to_contain_text("page 2 of 2")
    expect(page.locator(".card .open").first).to_be_focused()
    second = names(page)
    assert (len(first), len(second)) == (12, 12)
    assert len({*first, *second}) == 24
    assert "page=2" in page.url
    page.go_back()
    expect(page.locator("#summary")).to_contain_text("page 1 of 2")
    page.reload()
    expect(page.locator("#page-size")).to_have_value("12")  # remembered
    assert names(page) == first


def test_pictures_are_fetched_when_they_come_into_sight(opened: Open) -> None:
    page = opened(viewport={"width": 500, "height": 400})
    expect(cards(page)).to_have_count(24)
    thumbs = page.locator(".card img")
    assert thumbs.evaluate_all("all => all.every((one) => one.loading === 'lazy')")
    expect(page.locator(".card img").first).to_have_js_property("complete", True)


def test_a_scan_runs_beside_searches_and_its_new_picture_is_found(
    opened: Open, site: Site, encoder: ImageTextEncoder, tmp_path: Path
) -> None:
    for name in ("assets.db", "next.db"):
        shutil.copy(site.place / name, tmp_path / name)
    with serving(tmp_path, lambda: encoder) as own:
        page = opened(on=own)
        search(page, "古塔")
        assert NEW not in names(page)
        page.get_by_role("button", name="Scan folders").click()
        expect(page.locator("#scan-words")).to_have_text("Indexing")
        expect(page.locator("#scan")).to_be_disabled()
        search(page, "咖啡")
        expect(cards(page).first.locator(".name")).to_have_text("coffee.heic")
        page.get_by_role("radio", name="Pictures").check()
        search(page, "古塔")
        own.go_on.touch()
        page.get_by_role("button", name="The index has changed: show new results").click()
        expect(cards(page).first.locator(".name")).to_have_text(NEW)
        expect(page.locator("#scan-progress")).to_be_hidden()
        expect(page.locator("#status-line")).to_contain_text("22 pictures, 3 videos")


def test_progress_and_failure_of_a_scan_are_told(opened: Open) -> None:
    page = opened("about:blank")
    answers = iter([
        {"running": True, "done": 30, "total": 120, "eta_s": 200, "message": "", "last_exit": None},
        {"running": False, "done": 31, "total": 120, "eta_s": None, "message": "the disk is full", "last_exit": 1},
    ])  # fmt: skip
    last: dict[str, Any] = {}

    def answer(route: Any) -> None:
        last.update(next(answers, last))
        route.fulfill(json=route.fetch().json() | {"scan": last})

    page.route("**/api/status", answer)
    page.goto("/")
    expect(page.locator("#scan-words")).to_have_text("Indexing: 30 of 120 · about 3 min left")
    expect(page.locator("#scan-bar")).to_have_js_property("position", 0.25)
    expect(page.locator("#notice")).to_have_text("The scan failed: the disk is full")


def test_markup_in_names_and_messages_is_text(opened: Open, watch: Watch) -> None:
    watch.expected.append("422")  # that there is no file of that number
    page = opened("/?path=onerror")
    expect(cards(page)).to_have_count(1)
    assert page.locator(".card .name").text_content() == HOSTILE
    cards(page).first.locator(".open").click()
    assert page.locator("#viewer-name").text_content() == HOSTILE
    page.locator("#new-tag").fill("<svg onload=window.hit=1>")
    page.locator("#new-tag").press("Enter")
    expect(page.locator(".tags li")).to_have_text("<svg onload=window.hit=1>")
    close_viewer(page)
    page.locator("#filters-toggle").click()
    page.locator("#tag").select_option("<svg onload=window.hit=1>")
    expect(page.locator("#summary")).to_have_text("1 file, newest first")
    page.goto("/?q=%3Cimg%20src%3Dx%20onerror%3Dwindow.hit%3D1%3E&neg=%3Cscript%3E&like=%22%3E%3Cscript%3E")
    expect(page.locator(".state")).to_contain_text("Something is wrong")
    expect(page.locator("#q")).to_have_value("<img src=x onerror=window.hit=1>")
    page.goto("/?view=failures")
    expect(page.locator("td").last).to_have_text("<b>not</b> a picture")
    assert page.evaluate("window.hit") is None
    assert page.locator("main img[src=x], main svg[onload]").count() == 0
    page.goto("/?path=onerror")
    cards(page).first.locator(".open").click()
    page.get_by_role("button", name="Remove the tag").click()
    expect(page.locator(".tags li")).to_have_count(0)


def test_tags_are_kept_and_found(opened: Open) -> None:
    page = opened("/?path=coffee")
    cards(page).first.locator(".open").click()
    page.locator("#new-tag").fill("早餐")
    page.locator("#new-tag").press("Enter")
    expect(page.locator(".tags li")).to_have_text("早餐")
    close_viewer(page)
    page.goto("/?tag=%E6%97%A9%E9%A4%90")
    expect(page.locator("#summary")).to_have_text("1 file, newest first")
    expect(page.locator(".card .facts")).to_have_text("#早餐")
    expect(page.locator("#tag option:checked")).to_have_text("早餐 (1)")


def test_what_is_hidden_is_gone_until_it_is_restored(opened: Open) -> None:
    page = opened("/?path=gravel")
    cards(page).first.locator(".open").click()
    page.get_by_role("button", name="Hide").click()
    expect(page.locator(".state")).to_contain_text("Nothing found")
    page.get_by_role("button", name="Undo").click()
    expect(cards(page)).to_have_count(1)
    cards(page).first.locator(".open").click()
    page.get_by_role("button", name="Hide").click()
    page.get_by_role("link", name="Hidden").click()
    expect(page.locator("#summary")).to_have_text("1 hidden file")
    cards(page).first.hover()
    page.get_by_role("button", name="Restore").click()
    expect(page.locator(".state")).to_contain_text("Nothing is hidden")


def test_near_equal_files_stand_together(opened: Open) -> None:
    page = opened("/?view=duplicates")
    cats = page.locator(".group").filter(has_text="cat_small.jpg")
    expect(cats).to_contain_text("cat.jpg")
    page.locator("#duplicates-score").fill("1")
    page.locator("#duplicates-score").press("Tab")
    expect(page.locator(".group").filter(has_text="cat_small.jpg")).to_have_count(0)


def test_paths_are_copied_and_hits_saved(opened: Open, site: Site) -> None:
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    search(page, "咖啡")
    first = str(file_of(site, "coffee.heic"))
    cards(page).first.hover()
    page.get_by_role("button", name="Copy the path of coffee.heic").click()
    expect(page.locator(".toast")).to_have_text("Copied 1 path.")
    assert page.evaluate("navigator.clipboard.readText()") == first
    page.get_by_role("button", name="Copy all paths").click()
    expect(page.locator(".toast").last).to_have_text("Copied 24 paths.")
    copied = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert (copied[0], len(copied)) == (first, 24)
    with page.expect_download() as table:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(Path(table.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert (rows[0]["file"], len(rows)) == (first, 24)
    with page.expect_download() as listed:
        page.get_by_role("button", name="JSON").click()
    hits = json.loads(Path(listed.value.path()).read_text(encoding="utf-8"))
    assert [hit["file"] for hit in hits] == copied
    page.locator("#picture-file").set_input_files(file_of(site, "retina.jpg"))
    expect(cards(page).first.locator(".name")).to_have_text("retina.jpg")
    with page.expect_download() as alike:
        page.get_by_role("button", name="CSV").click()
    assert Path(alike.value.path()).read_text(encoding="utf-8-sig").splitlines()[1].startswith("pictures/medicine/ret")


def test_a_picture_that_browsers_do_not_know_is_shown_converted(opened: Open) -> None:
    page = opened("/?path=coffee.heic")
    cards(page).first.locator(".open").click()
    expect(page.locator(".full")).to_have_attribute("src", re.compile("thumb"))
    expect(page.locator(".full")).to_have_js_property("naturalWidth", 480)


def test_a_picture_is_seen_in_its_real_size_and_the_arrows_lead_on(opened: Open) -> None:
    page = opened("/?path=things/")
    cards(page).first.locator(".open").click()
    shown = page.locator(".full")
    expect(shown).to_have_js_property("complete", True)
    first = shown.get_attribute("alt")
    page.get_by_role("button", name="Real size").click()
    assert shown.evaluate("one => one.width === one.naturalWidth && one.naturalWidth > 300")
    page.keyboard.press("ArrowRight")
    expect(shown).not_to_have_attribute("alt", str(first))
    page.keyboard.press("ArrowLeft")
    expect(shown).to_have_attribute("alt", str(first))


def test_the_whole_page_works_without_a_mouse(opened: Open) -> None:
    page = opened()
    expect(cards(page)).to_have_count(24)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    for stop in range(FOCUS_STOPS):
        if page.locator("#q").evaluate("one => one === document.activeElement"):
            break
        assert_focus_is_seen(page, stop)
        page.keyboard.press("Tab")
    page.keyboard.type("a cat")
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_contain_text("24 results")
    for stop in range(FOCUS_STOPS):
        page.keyboard.press("Tab")
        assert_focus_is_seen(page, stop)
        if page.locator(".card:first-child .open").evaluate("one => one === document.activeElement"):
            break
    expect(page.locator(".card:first-child .open")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".card:nth-child(2) .open")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    expect(page.locator(".card:first-child .open")).to_be_focused()
    page.keyboard.press("Tab")  # the card's own buttons, then out of the grid
    assert_focus_is_seen(page, 0)
    expect(page.locator(".card:first-child button").first).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    expect(page.locator("#viewer-close")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator(".card:nth-child(2) .open")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#q")).to_be_focused()


def assert_focus_is_seen(page: Page, stop: int) -> None:
    seen = page.evaluate(
        """() => {
          const here = document.activeElement;
          const marked = [here, here.nextElementSibling, here.closest(".searchbox")];
          return marked.some((one) => one && getComputedStyle(one).outlineStyle !== "none"
            && parseFloat(getComputedStyle(one).outlineWidth) >= 2) || here.outerHTML.slice(0, 200);
        }"""
    )
    assert seen is True, f"stop {stop}: {seen}"


def test_the_language_changes_and_is_remembered(opened: Open) -> None:
    page = opened("/?q=cat")
    expect(page.locator("#summary")).to_contain_text("results")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#summary")).to_contain_text("个结果")
    page.reload()
    expect(page.locator("#search").get_by_role("button", name="搜索", exact=True)).to_be_visible()
    keys = page.evaluate("import('/static/texts.js').then(({ TEXTS }) => [TEXTS.en, TEXTS.zh].map(Object.keys))")
    plain = [{key.split(".")[0] for key in language} for language in keys]
    assert plain[0] == plain[1]


def test_files_can_be_leafed_through_while_the_model_loads(
    opened: Open, site: Site, encoder: ImageTextEncoder, tmp_path: Path, watch: Watch
) -> None:
    watch.expected.append("503")
    for name in ("assets.db", "files"):
        (tmp_path / name).symlink_to(site.place / name)
    loaded = threading.Event()

    def open_model() -> ImageTextEncoder:
        loaded.wait(30)
        return encoder

    with serving(tmp_path, open_model, half=True) as own:
        page = opened(on=own)
        expect(cards(page)).to_have_count(24)
        page.locator("#q").fill("coffee")
        page.keyboard.press("Enter")
        expect(page.locator(".state")).to_contain_text("The model is being loaded")
        loaded.set()
        expect(cards(page).first.locator(".name")).to_have_text("coffee.heic")


def test_an_empty_index_says_how_to_fill_it_and_a_dead_server_is_told(
    opened: Open, encoder: ImageTextEncoder, tmp_path: Path, watch: Watch
) -> None:
    watch.expected += ["503", "ERR_CONNECTION"]
    with serving(tmp_path, lambda: encoder) as own:
        page = opened(on=own, **CHINESE)
        expect(page.locator(".state")).to_contain_text("索引为空")
        expect(page.locator(".state code")).to_have_text("snakemake search_index")
    page.locator("#q").fill("cat")
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_contain_text("服务器没有响应")


def test_the_login_page_lets_in_with_the_password_alone(
    opened: Open, site: Site, encoder: ImageTextEncoder, tmp_path: Path, watch: Watch
) -> None:
    watch.expected.append("401")
    for name in ("assets.db", "files"):
        (tmp_path / name).symlink_to(site.place / name)
    with serving(tmp_path, lambda: encoder, password="open sesame") as own:  # noqa: S106
        page = opened(on=own)
        page.wait_for_url("**/login")
        expect(page.get_by_label("Password")).to_be_focused()
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("That is not the password.")
        assert axe_complaints(page) == []
        page.get_by_label("Password").fill("open sesame")
        page.keyboard.press("Enter")
        expect(cards(page)).to_have_count(24)
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto("/")
        page.wait_for_url("**/login")


def test_the_commands_of_the_page_about_it_do_what_they_say(
    site: Site, encoder: ImageTextEncoder, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```sh\n(S=.+?)```", page, re.DOTALL)
    for name in ("assets.db", "next.db"):
        shutil.copy(site.place / name, tmp_path / name)
    shutil.copy(file_of(site, "cat.jpg"), tmp_path / "cat.jpg")
    (tmp_path / "go_on").touch()
    with serving(tmp_path, lambda: encoder) as own:
        number = str(asset_id("videos/scenes.mp4"))
        commands = re.sub(r"S=\S+", f"S={own.url}", block).replace("4315105931575843", number)
        ran = subprocess.run(
            ["bash", "-ec", 'curl() { command curl -sSf -w "\\n" "$@"; }\n' + commands],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    assert told[0]["results"][0]["name"] == told[1]["results"][0]["name"] == "cat.jpg"
    assert {"id": int(number), "tags": ["holiday"]} in told
    assert {"id": int(number), "hidden": True} in told
    assert told[-1]["state"] == "ready"
    assert (tmp_path / "hits.csv").read_text(encoding="utf-8-sig").splitlines()[1].startswith("pictures/coffee.heic,")
    assert "cat_small.jpg" in (tmp_path / "alike.csv").read_text(encoding="utf-8-sig")
    assert (tmp_path / "part").stat().st_size == 100
    assert (tmp_path / "clip.mp4").read_bytes()[4:8] == b"ftyp"


AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
SPINNING = """() => {
  document.body.append(Object.assign(document.createElement("span"), { className: "spinner" }));
  return document.getAnimations().length;
}"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def axe_complaints(page: Page) -> list[str]:
    """What axe-core says against the page as it is: contrast, names, labels, roles, landmarks, languages, targets."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    told = page.evaluate("(rules) => axe.run({ runOnly: rules })", RULES)
    return [
        f"{broken['id']}: {node['target']} {node['failureSummary']}"
        for broken in told["violations"]
        for node in broken["nodes"]
    ]


@pytest.mark.parametrize(
    ("shape", "scheme", "language"),
    [(DESKTOP, "light", ENGLISH), (NARROW, "dark", CHINESE)],
    ids=["desktop light", "phone dark"],
)
def test_all_views_are_labelled_and_legible(
    opened: Open, shape: dict[str, Any], scheme: str, language: dict[str, str]
) -> None:
    page = opened("/?q=cat", **shape, **language, color_scheme=scheme, reduced_motion="reduce")
    expect(cards(page)).to_have_count(24)
    page.locator("#filters-toggle").click()
    complaints = axe_complaints(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= shape["viewport"]["width"]
    cards(page).filter(has_text="scenes.mp4").locator(".open").click()
    seconds(page)
    complaints += axe_complaints(page)
    close_viewer(page)
    for view in ("duplicates", "failures", "hidden"):
        page.locator(f"[data-view={view}]").click()
        expect(page.locator("#view > *")).to_be_visible()
        expect(page.locator(f"[data-view={view}]")).to_have_attribute("aria-current", "page")
        page.wait_for_load_state("networkidle")
        complaints += axe_complaints(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= shape["viewport"]["width"]
    assert complaints == []
    assert page.evaluate(SPINNING) == 0
