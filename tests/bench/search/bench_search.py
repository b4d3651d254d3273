"""The search: queries in memory, its memory, and the first answer to a text, beside the goals that were set."""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.bench.measured import run_measured
from tests.bench.search import made_index, search_work
from tests.bench.table import Cell, Table
from tests.chromium import CHROMIUM, chromium

ROOT = Path(__file__).resolve().parents[3]
# As the server sets it: a query takes the memory's bandwidth.
THREADS = {"OPENBLAS_NUM_THREADS": "1"}
SMALL, LARGE = 24_000, 1_000_000
ASKED = 60
_SUBJECTS = ("红色的杯子", "草地上的狗", "穿蓝色连衣裙的女孩", "夜晚的城市", "一碗面条", "雪山日出")
_PLACES = ("桌上", "海边", "窗前", "街道旁", "公园里", "屋顶", "车站", "雨中", "阳光下", "镜子前")


def run() -> Table:
    """Measure each row in a process of its own."""
    os.environ.update(THREADS)  # the processes inherit them
    load = os.getloadavg()[0]
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made_index.write_index(folder / "assets.db", SMALL, "float32")
        found["small"] = work("query", folder, str(SMALL), "float32")
        found["old"] = work("old", folder, str(SMALL))
        found["page"] = work("tower", folder) | answers(folder)
        for dtype in ("float32", "float16"):
            made_index.write_index(folder / "assets.db", LARGE, dtype)
            found[dtype] = work("query", folder, str(LARGE), dtype)
    return table(found, load)


def work(name: str, folder: Path, *words: str) -> dict[str, Any]:
    """What one work of `search_work` prints."""
    ran = run_measured([sys.executable, "-m", "tests.bench.search.search_work", name, str(folder), *words], ROOT)
    found: dict[str, Any] = json.loads(next(line for line in ran.text.splitlines() if line.startswith("{")))
    return found


# From the press of Enter until a hit stands there that did not before, and the browser has drawn it.
_FIRST_HIT = """() => {
  const before = document.querySelector(".card");
  window.firstHit = new Promise((tell) => {
    let pressed;
    addEventListener("keydown", () => { pressed = performance.now(); }, { capture: true, once: true });
    const watch = new MutationObserver(() => {
      const first = document.querySelector(".card");
      if (!first || first === before) return;
      watch.disconnect();
      requestAnimationFrame(() => setTimeout(() => tell(performance.now() - pressed)));
    });
    watch.observe(document.getElementById("results"), { childList: true, subtree: true });
  });
}"""


def texts(form: str) -> list[str]:
    """Texts of 7 to 14 characters, none twice: no answer is at hand from before."""
    return [form.format(place, subject) for place in _PLACES for subject in _SUBJECTS][:ASKED]


def answers(folder: Path) -> dict[str, Any]:
    """Milliseconds from asking a server for a text until its first page of hits is read; in a browser, is seen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "tests.bench.search.search_work", "serve", str(folder), str(port)]
    with subprocess.Popen(command, cwd=ROOT) as server:
        try:
            _wait(server, port)
            asked = sorted(1e3 * _ask(port, text) for text in texts("{}{}"))
            seen = sorted(_seen(port, folder, texts("{1}在{0}"))) if CHROMIUM else []
        finally:
            server.terminate()
    found = {"ms": statistics.median(asked), "p95_ms": _p95(asked)}
    return found | ({"seen_ms": statistics.median(seen), "seen_p95_ms": _p95(seen)} if seen else {})


def _p95(ordered: Sequence[float]) -> float:
    return ordered[int(0.95 * len(ordered))]


def _seen(port: int, folder: Path, texts: Sequence[str]) -> list[float]:
    """Milliseconds from Enter until the first hit is on the page, of each text."""
    with chromium(folder / "browser") as browser:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector(".card")
        waited = []
        for text in texts:
            page.locator("#q").fill(text)
            page.evaluate(_FIRST_HIT)
            page.keyboard.press("Enter")
            waited.append(float(page.evaluate("window.firstHit")))
        return waited


def _wait(server: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            if json.loads(_get(port, "/api/status"))["state"] == "ready":
                return
        except OSError:
            pass
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the server does not answer")
        time.sleep(0.1)


def _ask(port: int, text: str) -> float:
    started = time.perf_counter()
    told = json.loads(_get(port, f"/api/search?q={quote(text)}&page_size={made_index.SHOWN}"))
    seconds = time.perf_counter() - started
    if (told["total"], len(told["results"])) != (SMALL, made_index.SHOWN):
        raise RuntimeError(f"{text}: {told['total']} hits")
    return seconds


def _get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def _page_row(page: dict[str, Any]) -> list[tuple[str, float, str, bool]]:
    if "seen_ms" not in page:
        return []
    return [("first hit on the page after Enter, median ms", page["seen_ms"], "at most 300", page["seen_ms"] <= 300)]


def table(found: dict[str, dict[str, Any]], load: float) -> Table:
    """What was measured, on a machine whose load was this at the beginning."""
    small, large, half, old, page = (found[name] for name in ("small", "float32", "float16", "old", "page"))
    goals: list[tuple[str, float, str, bool]] = [
        (f"query over {SMALL:,} vectors, CPU ms", small["ms"], "at most 30", small["ms"] <= 30 and small["exact"]),
        (f"query over {LARGE:,} vectors, CPU ms", large["ms"], "at most 400", large["ms"] <= 400 and large["exact"]),
        ("the same in half precision, CPU ms", half["ms"], "at most 400", half["ms"] <= 400 and half["exact"]),
        (f"memory at {LARGE:,} vectors, GB", large["peak_gb"], "at most 2.5", large["peak_gb"] <= 2.5),
        ("the same in half precision, GB", half["peak_gb"], "at most 1.3", half["peak_gb"] <= 1.3),
        ("first answer to a text, median ms", page["ms"], "at most 300", page["ms"] <= 300),
        *_page_row(page),
        ("the table read at each query / in memory", old["ratio"], "at least 50", old["ratio"] >= 50 and old["same"]),
    ]
    rows: list[list[Cell]] = [[what, value, goal, "yes" if reached else "no"] for what, value, goal, reached in goals]
    rows += [
        ["first answer to a text, 95 of 100, ms", page["p95_ms"], None, None],
        ["first hit on the page, 95 of 100, ms", page.get("seen_p95_ms"), None, None],
        ["query by reading the table, CPU ms", old["old_ms"], None, None],
        ["the table read / in memory, in turn", old["ratio_in_turn"], None, None],
    ]
    notes = [
        "Answers compared with double precision over all vectors: "
        + ("all equal." if small["exact"] and large["exact"] and half["exact"] else "NOT EQUAL."),
        f"The text tower is that of {search_work.ARCHITECTURE} in INT8 ({page['mb']:.0f} MB), untrained: its time is "
        "that of a trained one, its answers mean nothing.",
    ]
    if "seen_ms" not in page:
        notes.append("The page is not measured: there is no Chromium (make chromium-install).")
    if load > 1:
        notes.append(f"Other work ran beside it: the machine's load was {load:.1f} at its beginning.")
    return Table(
        title="Search",
        about=(
            f"Made vectors of {made_index.DIM} numbers, one a picture, indexed by the pipeline's own writer. A query "
            f"gives the {made_index.SHOWN} nearest assets in order and how many there are, exactly, by NumPy on one "
            f"core and thread, without the model; median of {search_work.ROUNDS}, in CPU time, which is what it takes "
            "where nothing else runs. Memory is the most that the process ever had "
            "(VmHWM), with all of the server and the index loaded, without a model; GB are 10^9 bytes. Reading the "
            f"table is what the application before this one does at each query, over {SMALL:,} vectors, on one core, "
            "in the same process: all rows are read, normalised, multiplied and sorted. Each is asked by itself; in "
            "turn, what one reads drives the other out of the caches. The first answer to a text goes through HTTP to "
            f"a server with {SMALL:,} assets on all cores, model included: median of {ASKED} texts, none of them asked "
            "before. The first hit on the page is the same in a headless Chromium, between the press of Enter and a "
            "hit that is drawn."
        ),
        columns=["measure", "found", "goal", "reached"],
        rows=rows,
        notes=notes,
        versions={name: metadata.version(name) for name in ("fastapi", "uvicorn")},
    )
