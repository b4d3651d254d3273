/** The search page: what is asked for stands in the address, and everything shown follows from it. */

import { ask, assetAddress, ServerError } from "./api.js";
import { grid, thumbnail } from "./cards.js";
import { copy, save } from "./copying.js";
import { byId, icon } from "./dom.js";
import { loadTags, showFilters, showScoreHint, startFilters } from "./filters.js";
import { duplicates, failures, hidden } from "./lists.js";
import { showPager } from "./pager.js";
import { drawn, takePictures } from "./picture.js";
import { about, filtersOf, fromAddress, isPicture, toAddress } from "./query.js";
import { allHits, hitsAsFile, search } from "./search.js";
import { remember, remembered } from "./settings.js";
import { state } from "./states.js";
import { watchStatus } from "./status.js";
import { clock, languageButton, text } from "./texts.js";
import { tell } from "./toasts.js";
import { closeViewer, openViewer } from "./viewer.js";

const FORMATS = ["csv", "json"];
const FILE_KEPT_MS = 60000; // by then the browser has taken it
const SEARCHING_SHOWN_AFTER_MS = 200;

const pictures = []; // File objects that were searched with; an entry of the browser's history names one by its number
let query = fromAddress(location.search, keptPicture());
let assets = []; // what the view shows, in order
let status = null;
let knownTags = [];
let running = null; // the AbortController of the question that is being asked
let shownGeneration = null;

function keptPicture() {
  const number = history.state?.picture ?? null;
  return number !== null && pictures[number] ? number : null; // a page that was loaded anew has lost its pictures
}

const pictureFile = () => (query.picture === null ? null : pictures[query.picture]);

/** Ask something else, and let the back button lead here. */
function go(next, { focus = false } = {}) {
  query = next;
  const state = query.picture === null ? null : { picture: query.picture };
  const same = toAddress(query) === location.pathname + location.search && state === null;
  // Who asks from an open file comes back to the results that it was opened from.
  if (same || history.state?.viewer) history.replaceState(state, "", toAddress(query));
  else history.pushState(state, "", toAddress(query));
  return run({ focus });
}

/** The back button was pressed, or the forward button. */
function comeTo() {
  const next = fromAddress(location.search, keptPicture());
  const same = toAddress(next) === toAddress(query) && next.picture === query.picture;
  closeViewer();
  if (same) return; // only a file was closed
  query = next;
  run();
}

/** Show what the query asks for. `focus` puts the keyboard on the first result. */
async function run({ focus = false } = {}) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  showQuestion();
  byId("results").setAttribute("aria-busy", "true");
  const slow = setTimeout(() => (byId("summary").textContent = text("searching")), SEARCHING_SHOWN_AFTER_MS);
  try {
    const shown = await VIEWS[query.view]({ signal });
    showAnswer(shown);
    if (focus) focusFirst();
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof ServerError)) throw error;
    showInsteadOfHits(error);
  } finally {
    clearTimeout(slow);
    if (running?.signal === signal) byId("results").removeAttribute("aria-busy");
  }
}

const VIEWS = {
  search: showHits,
  duplicates: ({ signal }) => duplicates({ page: query.page, score: byId("duplicates-score").value, actions: cardActions(), signal }),
  failures: ({ signal }) => failures({ page: query.page, signal }),
  hidden: ({ signal }) => hidden({ page: query.page, pageSize: remembered("page_size", 24), actions: cardActions(), signal, past: turnPage, leave: toQuery }),
};

async function showHits({ signal }) {
  const told = await search(query, pictureFile(), { signal });
  const pages = Math.ceil(told.total / told.page_size);
  const asked = query.q !== "" || isPicture(query);
  const words = [text(asked ? "results" : "newest", { n: told.total })];
  if (pages > 1) words.push(text("page_of", { page: told.page, pages }));
  if (asked) words.push(text("took", { ms: Math.round(told.took_ms) }));
  return {
    summary: words.join(" · "),
    content: told.total ? grid(told.results, cardActions(), { past: turnPage, leave: toQuery }) : nothingFound(asked),
    assets: told.results,
    pages,
  };
}

function nothingFound(asked) {
  const filtered = filtersOf(query).length > 0 || query.kind !== "";
  if (!asked && !filtered) return emptyIndex();
  const offers = [];
  if (filtered) offers.push({ label: text("filters_clear"), act: () => byId("filters-clear").click() });
  offers.push({ label: text("no_hits_browse"), act: () => go(fromAddress("")) });
  return state({ symbol: "search", title: text("no_hits"), why: text("no_hits_why"), offers });
}

/** Bring the fields, the views and the picture in line with the query. */
function showQuestion() {
  document.title = query.q === "" ? text("title") : `${query.q} · ${text("title")}`;
  byId("q").value = query.q;
  showFilters(query);
  showPicture();
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === query.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("search").hidden = query.view !== "search";
  byId("duplicates-tools").hidden = query.view !== "duplicates";
}

async function showPicture() {
  const asked = query;
  byId("picture").hidden = !isPicture(query);
  if (!isPicture(query)) return;
  const file = pictureFile();
  let [name, small] = [file?.name, null];
  if (file) {
    small = await drawn(file);
  } else {
    const asset = assets.find(({ id }) => String(id) === query.like) ?? (await ask(`/api/assets/${encodeURIComponent(query.like)}`).catch(() => null));
    name = asset ? (query.time === "" ? asset.name : text("similar_frame_of", { name: asset.name, time: clock(Number(query.time)) })) : query.like;
    small = asset && thumbnail(asset, query.time === "" ? 0 : Number(query.time));
  }
  if (asked !== query) return; // another question came in between
  byId("picture-name").textContent = name || text("image");
  byId("picture-shown").replaceChildren(small ?? icon("picture"));
}

function showAnswer(shown) {
  assets = shown.assets;
  byId("renewed").hidden = true;
  shownGeneration = status?.generation ?? null;
  byId("summary").textContent = shown.summary;
  byId("view").replaceChildren(shown.content);
  byId("tools").hidden = query.view !== "search" || !assets.length;
  showPager(byId("pager"), { page: query.page, pages: shown.pages }, (page) => turnTo(page));
}

function showInstead(content) {
  assets = [];
  shownGeneration = null;
  byId("summary").textContent = "";
  byId("tools").hidden = byId("pager").hidden = true;
  byId("view").replaceChildren(content);
}

const emptyIndex = () => state({ symbol: "picture", title: text("empty"), why: text("empty_why"), code: status?.how_to_index ?? "snakemake --profile local_cpu search_index" });

/** The server says why there is no answer; while the model loads, the files can be leafed through, and no more. */
function showInsteadOfHits(error) {
  if (error.code === "loading") return showInstead(state({ title: text("loading"), why: text("loading_why") }));
  if (error.code === "empty") return showInstead(emptyIndex());
  const again = { label: text("again"), act: () => run() };
  return showInstead(state({ symbol: "close", title: text("failed"), why: error.message || text("unreachable"), offers: [again] }));
}

function focusFirst() {
  (byId("view").querySelector(".open") ?? byId("results")).focus();
  byId("results").scrollIntoView({ block: "start" });
}

const toQuery = () => byId("q").focus();
const turnTo = (page) => go({ ...query, page }, { focus: true });

/** To the page before or after this one, where there is one. */
function turnPage(by) {
  const step = byId("pager").querySelector(by < 0 ? ":scope > button:first-child" : ":scope > button:last-child");
  if (step && !step.disabled) turnTo(query.page + by);
}

function cardActions() {
  const [similar, copying] = [(asset) => similarTo(asset, asset.kind === "video" ? asset.time : null), copyPath];
  if (query.view === "hidden") return { open: view, restore };
  return { open: view, similar, copy: copying };
}

function view(asset) {
  const inHidden = query.view === "hidden";
  history.pushState({ ...history.state, viewer: true }, ""); // on phones, back closes what fills the screen
  openViewer(assets, assets.indexOf(asset), {
    similar: similarTo,
    copy: copyPath,
    hide: inHidden ? null : hide,
    restore: inHidden ? restore : null,
    knownTags,
    tagged: async () => (knownTags = await loadTags(query.tag)),
    closed: ({ id }) => {
      if (history.state?.viewer) history.back();
      byId("view").querySelector(`[data-id="${id}"] .open`)?.focus();
    },
  });
}

const similarTo = (asset, time = null) => go(about(query, { like: String(asset.id), time: time === null || time === undefined ? "" : time.toFixed(3) }), { focus: true });

async function copyPath(asset) {
  const path = asset.file ?? asset.path;
  tell((await copy(path)) ? text("copied", { n: 1 }) : text("copy_refused", { path }));
}

/** Take a file out of all results; the file itself stays. */
async function hide(asset) {
  await change(asset, "DELETE", "", text("hidden_done", { name: asset.name }), { label: text("undo"), act: () => restore(asset) });
}

async function restore(asset) {
  await change(asset, "POST", "restore", text("restored_done", { name: asset.name }));
}

async function change(asset, method, what, words, offer = null) {
  try {
    await ask(assetAddress(asset, what), { method });
  } catch (error) {
    return tell(error.message || text("unreachable"));
  }
  closeViewer();
  tell(words, offer);
  await run({ focus: true });
}

/** Do something with all hits of the query, of which the page shows a part. */
async function withAllHits(act) {
  byId("tools").setAttribute("aria-busy", "true");
  try {
    await act();
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    tell(error.message || text("unreachable"));
  } finally {
    byId("tools").removeAttribute("aria-busy");
  }
}

async function copyAll() {
  const paths = (await allHits(query, pictureFile())).map((asset) => asset.file ?? asset.path);
  const copied = await copy(paths.join("\n"));
  tell(copied ? text("copied", { n: paths.length }) : text("copy_refused", { path: paths[0] }));
}

function showStatus(now, before) {
  status = now;
  showScoreHint(now.min_score, (value) => go({ ...query, min_score: value, page: 1 }));
  showNotice(now);
  if (before?.state !== now.state) {
    if (now.n_assets) loadTags(query.tag).then((tags) => (knownTags = tags), () => {});
    return now.state === "unreachable" ? null : run();
  }
  if (shownGeneration !== null && now.generation !== shownGeneration) {
    if (assets.length) byId("renewed").hidden = false;
    else run();
  }
}

/** What stays wrong is said until it is mended. */
function showNotice({ state: named, message, scan }) {
  const quiet = named === "loading" || named === "empty";
  const failed = scan?.last_exit && !scan.running ? text("scan_failed", { message: scan.message || scan.last_exit }) : "";
  const words = [named === "unreachable" ? text("unreachable") : quiet ? "" : message, failed].filter(Boolean).join("\n");
  const notice = byId("notice");
  notice.hidden = !words;
  if (notice.textContent !== words) notice.textContent = words; // written anew, it would be read out each time
}

function start() {
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const q = byId("q").value.trim();
    // A picture stays the question until words take its place.
    go(q === "" && isPicture(query) ? { ...query, page: 1 } : about(query, { q }));
  });
  startFilters((values) => go({ ...query, ...values, page: 1 }));
  takePictures((file) => go(about(query, { picture: pictures.push(file) - 1 })), tell);
  byId("picture-remove").addEventListener("click", () => (go(about(query, {})), toQuery()));
  for (const link of document.querySelectorAll("[data-view], #home")) {
    link.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      go(fromAddress(new URL(link.href).search));
    });
  }
  byId("copy-all").addEventListener("click", () => withAllHits(copyAll));
  for (const format of FORMATS) byId(`export-${format}`).addEventListener("click", () => withAllHits(() => exportAs(format)));
  byId("duplicates-score").addEventListener("change", () => go({ ...query, page: 1 }));
  byId("renewed").addEventListener("click", () => run({ focus: true }));
  byId("logout").addEventListener("click", () => ask("/logout", { method: "POST" }).finally(() => location.assign("/login")));
  startSizes();
  if (history.state?.viewer) history.replaceState({ ...history.state, viewer: false }, ""); // loaded anew, it is closed
  window.addEventListener("popstate", comeTo);
  const watch = watchStatus(showStatus);
  languageButton(byId("language"), () => {
    delete byId("status-line").dataset.words;
    watch.showAgain();
    if (status) showStatus(status, status);
    run();
  });
}

function startSizes() {
  const size = byId("card-size");
  size.value = remembered("card_size", "medium");
  byId("view").dataset.size = size.value;
  size.addEventListener("change", () => {
    remember("card_size", size.value);
    byId("view").dataset.size = size.value;
  });
  const perPage = byId("page-size");
  perPage.value = String(remembered("page_size", 24));
  perPage.addEventListener("change", () => {
    remember("page_size", Number(perPage.value));
    go({ ...query, page: 1 });
  });
}

async function exportAs(format) {
  const file = URL.createObjectURL(await hitsAsFile(query, pictureFile(), format));
  save(file, `${status?.dataset || "search"}.${format}`);
  setTimeout(() => URL.revokeObjectURL(file), FILE_KEPT_MS);
}

start();
