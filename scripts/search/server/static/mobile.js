/** The page whose queries are encoded in the browser; the server searches with their vectors. */

import "./mobile_texts.js";
import { ask, ServerError } from "./api.js";
import { grid } from "./cards.js";
import { copy } from "./copying.js";
import { byId, make } from "./dom.js";
import { about, fromAddress, toAddress } from "./query.js";
import { state } from "./states.js";
import { DamagedFile, openTower } from "./text_tower.js";
import { bytes, languageButton, text } from "./texts.js";
import { tell } from "./toasts.js";
import { openViewer } from "./viewer.js";

const PAGE_SIZE = 24;
const ASK_AGAIN_MS = 1000;

let tower = null; // the text tower, once it is there
let facts = null; // what /api/mobile told
let shown = null; // {q, encoded, told, assets, times} of the results that are shown
let problem = null; // makes the message that stands in place of results
let words = () => text("mobile_asking"); // makes the line about the model
let asking = 0; // counts searches: a late answer to an earlier one is dropped

/** Ask which towers answer, waiting while the index is being read. */
async function askFacts() {
  for (;;) {
    try {
      return await ask("/api/mobile");
    } catch (error) {
      if (!(error instanceof ServerError) || error.code !== "loading") throw error;
      await new Promise((wake) => setTimeout(wake, ASK_AGAIN_MS));
    }
  }
}

async function prepare() {
  try {
    facts = await askFacts();
    if (!facts.ready) return refuse();
    const { towers, runtime } = facts;
    say(() => text("mobile_loading", { model: towers.model }));
    byId("loading").hidden = false;
    const opened = await openTower(towers, runtime, (done, total) => showProgress(done, total, towers.model));
    byId("loading").hidden = true;
    tower = opened;
    say(() => {
      const ready = text("mobile_ready", { model: towers.model, size: bytes(towers.files.text.size_bytes) });
      const same = towers.identity === facts.index.model_identity;
      return same ? ready : `${ready} ${text("mobile_relative", { index: `${facts.index.encoder}, ${facts.index.model}` })}`;
    });
    if (byId("q").value.trim()) await search();
  } catch (error) {
    showProblem(() => explained(error));
    if (!(error instanceof ServerError || error instanceof DamagedFile)) throw error;
  }
}

function refuse() {
  const { reason, mend, index, offer } = facts;
  say(() => "");
  showProblem(() => state({ symbol: "close", title: text("mobile_refused"), why: text(`mobile_${reason}`, { ...index, offer }), code: mend, offers: [onServer()] }));
}

/** What went wrong, as a message with what helps. */
function explained(error) {
  const again = { label: text("mobile_reload"), act: () => location.reload() };
  const said = (title, why, offers = [again]) => state({ symbol: "close", title: text(title), why, offers });
  if (error instanceof DamagedFile) return said("failed", text("mobile_damaged", { name: error.message }));
  if (!(error instanceof ServerError)) return said("mobile_broken", String(error.message ?? error), [onServer()]);
  if (error.code === "other_model") return said("mobile_refused", text("mobile_other_model"));
  if (error.code === "empty") return state({ symbol: "picture", title: text("empty"), why: text("empty_why"), code: error.message });
  return said("failed", error.message || text("unreachable"));
}

const onServer = () => ({ label: text("mobile_to_server"), act: () => location.assign(toAddress(about(fromAddress(""), { q: byId("q").value.trim() }))) });

function say(made) {
  words = made;
  byId("model").textContent = made();
}

function showProgress(done, total, model) {
  const bar = byId("bar");
  [bar.max, bar.value] = [total, done];
  bar.setAttribute("aria-label", text("mobile_model_label"));
  byId("loaded").textContent = text("mobile_loaded", { done: bytes(done), total: bytes(total) });
  if (done === total) say(() => text("mobile_starting", { model }));
}

function showProblem(made) {
  problem = made;
  shown = null;
  byId("loading").hidden = byId("times").hidden = byId("more").hidden = true;
  byId("summary").textContent = "";
  byId("view").replaceChildren(made());
}

/** Encode what was typed, and show what is nearest to it. */
async function search() {
  const q = byId("q").value.trim();
  history.replaceState(null, "", q ? `/mobile?${new URLSearchParams({ q })}` : "/mobile");
  if (facts && !facts.ready) return;
  if (!q) return (byId("summary").textContent = text("mobile_empty_query"));
  if (!tower) return (byId("summary").textContent = text("mobile_waiting"));
  const number = ++asking;
  const begun = performance.now();
  byId("results").setAttribute("aria-busy", "true");
  try {
    const encoded = await tower.encode(q);
    const sent = performance.now();
    const told = await page(encoded.vector, 1);
    if (number !== asking) return;
    const way = Math.max(0, performance.now() - sent - told.took_ms);
    problem = null;
    shown = { q, encoded, told, assets: told.results };
    show();
    const all = performance.now() - begun;
    shown.times = { all, tokens: encoded.tokens_ms, encoding: encoded.encoding_ms, way, server: told.took_ms };
    showTimes();
  } catch (error) {
    if (number === asking) showProblem(() => explained(error));
    if (!(error instanceof ServerError)) throw error;
  } finally {
    if (number === asking) byId("results").removeAttribute("aria-busy");
  }
}

const page = (vector, number) =>
  ask("/api/search/vector", {
    method: "POST",
    body: JSON.stringify({ vector: Array.from(vector), model_identity: facts.index.model_identity, page: number, page_size: PAGE_SIZE }),
  });

async function more() {
  const [before, number] = [shown, asking];
  try {
    const told = await page(before.encoded.vector, before.told.page + 1);
    if (number !== asking || shown !== before) return;
    const first = before.assets.length;
    shown = { ...before, told, assets: [...before.assets, ...told.results] };
    show();
    byId("view").querySelectorAll(".open")[first]?.focus();
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    tell(error.message || text("unreachable"));
  }
}

function show() {
  const { told, assets } = shown;
  byId("summary").textContent = text("results", { n: told.total });
  const nothing = () => state({ symbol: "search", title: text("no_hits"), why: text("no_hits_why") });
  byId("view").replaceChildren(assets.length ? grid(assets, { open: view, copy: copyPath }) : nothing());
  byId("more").hidden = assets.length >= told.total || !told.results.length;
}

/** What each part took: below 10 ms with a digit more. */
function showTimes() {
  const written = (ms) => text("mobile_ms", { ms: ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms) });
  const rows = Object.entries(shown.times).map(([part, ms]) => make("div", { "data-part": part }, make("dt", {}, text(`mobile_${part}`)), make("dd", {}, written(ms))));
  byId("times").replaceChildren(...rows);
  byId("times").hidden = false;
}

function view(asset) {
  openViewer(shown.assets, shown.assets.indexOf(asset), {
    similar: ({ id }, time = null) => location.assign(toAddress({ ...fromAddress(""), like: String(id), time: time === null ? "" : time.toFixed(3) })),
    copy: copyPath,
    knownTags: [],
    tagged: () => {},
    closed: ({ id }) => byId("view").querySelector(`[data-id="${id}"] .open`)?.focus(),
  });
}

async function copyPath(asset) {
  const path = asset.file ?? asset.path;
  tell((await copy(path)) ? text("copied", { n: 1 }) : text("copy_refused", { path }));
}

function writeAgain() {
  document.title = `${text("mobile_title")} – Polymill`;
  byId("model").textContent = words();
  if (problem) byId("view").replaceChildren(problem());
  if (!shown) return;
  show();
  showTimes();
}

byId("q").value = new URLSearchParams(location.search).get("q") ?? "";
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
byId("more").addEventListener("click", more);
languageButton(byId("language"), writeAgain);
writeAgain();
prepare();
