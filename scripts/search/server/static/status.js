/** The state of the server and its index: asked again and again, more often while something goes on. */

import { ask, ServerError } from "./api.js";
import { byId, make } from "./dom.js";
import { date, number, span, text } from "./texts.js";
import { tell } from "./toasts.js";

const ENCODERS = { conse: "ConSE", chinese_clip: "Chinese-CLIP", onnx: "ONNX" };
const BUSY_MS = 1000;
const QUIET_MS = 15000;
const AFTER_SCAN_MS = 6000; // the server takes a new index a little later than the scan ends

/**
 * Watch the state and call `changed(state, before)` whenever it was asked for; a server that does not answer has the
 * state {state: "unreachable"}.
 */
export function watchStatus(changed) {
  let last = null;
  let timer = null;
  let lastScanned = -Infinity;
  const look = async () => {
    clearTimeout(timer);
    let found;
    try {
      found = await ask("/api/status");
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      found = { ...(last ?? {}), state: error.status ? "error" : "unreachable", message: error.message };
    }
    const before = last;
    last = found;
    show(found);
    tellOfScan(found, before);
    changed(found, before);
    if (found.scan?.running) lastScanned = Date.now();
    const busy = found.state === "loading" || found.state === "unreachable" || Date.now() - lastScanned < AFTER_SCAN_MS;
    timer = setTimeout(look, busy ? BUSY_MS : QUIET_MS);
  };
  byId("scan").addEventListener("click", async () => {
    byId("scan").disabled = true;
    try {
      await ask("/api/scan", { method: "POST" });
    } catch (error) {
      tell(error.message || text("unreachable"));
    }
    await look();
  });
  document.addEventListener("visibilitychange", () => document.hidden || look());
  look();
  return { look, showAgain: () => last && show(last) };
}

/** Who answers and how many rows there are; in the scan's progress what is done and how long it takes yet. */
function show(status) {
  const parts = [];
  if (status.encoder) {
    parts.push(["encoder", text("answered_by", { encoder: ENCODERS[status.encoder] ?? status.encoder, model: status.model || "?" })]);
    parts.push(["assets", text("assets", { pictures: status.n_images, videos: status.n_videos })]);
    parts.push(["vectors", text("vectors", { n: status.n_vectors })]);
  }
  if (status.indexed_at) parts.push(["indexed", text("indexed_at", { date: date(status.indexed_at) })]);
  const line = byId("status-line");
  const words = parts.map(([, part]) => part).join("");
  if (line.dataset.words !== words) {
    line.dataset.words = words;
    line.replaceChildren(...parts.map(([name, part]) => make("span", { class: name }, part)));
  }
  const failed = byId("failed-count");
  failed.hidden = !status.n_failed;
  failed.textContent = status.n_failed ? number(status.n_failed) : "";
  byId("logout").hidden = !status.login;
  showScan(status.scan ?? { running: false }, status.state);
}

function showScan(scan, state) {
  byId("scan").disabled = scan.running || state === "unreachable";
  byId("scan-progress").hidden = !scan.running;
  if (!scan.running) return;
  const bar = byId("scan-bar");
  if (scan.total) [bar.max, bar.value] = [scan.total, scan.done];
  else bar.removeAttribute("value"); // an indeterminate bar: the plan is still being made
  const left = scan.eta_s === null || scan.eta_s === undefined ? "" : ` · ${text("scan_left", { time: span(scan.eta_s) })}`;
  const words = scan.total ? text("scan_progress", { done: scan.done, total: scan.total }) : text("scan_running");
  byId("scan-words").textContent = words + left;
  bar.setAttribute("aria-label", words);
}

function tellOfScan(status, before) {
  if (before?.scan?.running && status.scan?.running === false && !status.scan.last_exit) tell(text("scan_done"));
}
