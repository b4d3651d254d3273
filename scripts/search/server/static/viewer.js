/** One file in full size, with what is known of it and what can be done with it. */

import { assetAddress } from "./api.js";
import { thumbnail } from "./cards.js";
import { button, byId, icon, isolated, make } from "./dom.js";
import { picturePlayer, videoPlayer } from "./player.js";
import { tagEditor } from "./tags.js";
import { bytes, clock, cosine, date, text } from "./texts.js";

const LONGEST_CLIP = 60; // seconds, what the server cuts at most

let player = null;

/**
 * Open a file among those around it.
 * @param {Array<Object>} assets what previous and next lead through
 * @param {number} index which of them
 * @param {Object} actions similar(asset), copy(asset), hide(asset) or restore(asset), tagged(asset), closed(asset); knownTags
 */
export function openViewer(assets, index, actions) {
  const dialog = byId("viewer");
  const asset = assets[index];
  player?.stop();
  player = asset.kind === "video" ? videoPlayer(asset, asset.time ?? 0) : picturePlayer(asset);
  const step = (by, focused) => {
    if (!assets[index + by]) return;
    openViewer(assets, index + by, actions);
    const again = byId(focused);
    (again && !again.disabled ? again : byId("viewer-close")).focus();
  };
  dialog.replaceChildren(
    make(
      "div",
      { class: "viewer-media" },
      player.element,
      button({ symbol: "previous", label: text("previous"), id: "viewer-previous", disabled: index === 0, click: () => step(-1, "viewer-previous") }),
      button({ symbol: "next", label: text("next"), id: "viewer-next", disabled: index === assets.length - 1, click: () => step(1, "viewer-next") }),
    ),
    side(asset, actions, dialog),
    make("div", { class: "toasts", role: "status" }),
  );
  dialog.onkeydown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, video")) return;
    event.preventDefault();
    step(by, document.activeElement?.id);
  };
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close(); // beside what it holds: on the darkened page
  };
  dialog.onclose = () => {
    player?.stop();
    player = null;
    dialog.replaceChildren();
    actions.closed(asset);
  };
  if (!dialog.open) dialog.showModal();
}

export function closeViewer() {
  if (byId("viewer").open) byId("viewer").close();
}

function side(asset, actions, dialog) {
  const act = (symbol, key, click, more = {}) => button({ symbol, label: text(key), shown: text(key), click, ...more });
  const link = (symbol, key, href, more = {}) => make("a", { class: "button plain", href, ...more }, icon(symbol), text(key));
  const tools = [...player.tools];
  if (asset.kind === "video") {
    tools.push(act("similar", "similar_frame", () => (actions.similar(asset, player.time()), dialog.close())));
  } else {
    tools.push(act("similar", "similar", () => (actions.similar(asset), dialog.close())));
  }
  tools.push(act("copy", "copy", () => actions.copy(asset)));
  tools.push(link("open", "original", assetAddress(asset, "file"), { target: "_blank", rel: "noopener" }));
  if (actions.hide) tools.push(act("hide", "hide", () => actions.hide(asset), { title: text("hide_hint") }));
  if (actions.restore) tools.push(act("restore", "restore", () => actions.restore(asset)));
  return make(
    "div",
    { class: "viewer-side" },
    make("header", {}, make("h2", { id: "viewer-name" }, isolated(asset.name)), button({ symbol: "close", label: text("close"), id: "viewer-close", autofocus: true, click: () => dialog.close() })),
    make("div", { class: "viewer-tools" }, ...tools),
    asset.segments?.length ? moments(asset) : null,
    known(asset),
    tagEditor(asset, actions.knownTags, actions.tagged),
  );
}

/** Where in the video it is found: each plays at a press, and can be saved. */
function moments(asset) {
  const row = (segment) => {
    const span = { start: clock(segment.start), end: clock(segment.end), score: cosine(segment.score) };
    const clip = { start: segment.start, end: Math.min(segment.end, segment.start + LONGEST_CLIP), download: 1 };
    return make(
      "li",
      {},
      make(
        "button",
        { type: "button", class: "moment", "aria-label": text("moment", span), click: () => player.show(segment.start, { play: true }) },
        make("span", { class: "thumb" }, thumbnail(asset, segment.time)),
        make("span", {}, `${span.start} – ${span.end}`),
        make("span", { class: "facts" }, span.score),
      ),
      make("a", { class: "button plain icon-only", href: assetAddress(asset, "clip", clip), download: true, "aria-label": `${text("download_clip")}: ${span.start} – ${span.end}`, title: text("download_clip") }, icon("download")),
    );
  };
  return make("section", {}, make("h3", {}, text("moments")), make("ol", { class: "moments", role: "list" }, ...asset.segments.map(row)));
}

function known(asset) {
  const facts = [
    ["folder_path", asset.file ?? asset.path],
    ["score_name", asset.score === null || asset.score === undefined ? null : cosine(asset.score)],
    ["dimensions", asset.width && asset.height ? `${asset.width} × ${asset.height}` : null],
    ["duration", asset.duration ? clock(asset.duration) : null],
    ["size", asset.size ? bytes(asset.size) : null],
    ["changed", asset.mtime ? date(asset.mtime) : null],
  ].filter(([, value]) => value !== null);
  return make("dl", { class: "known" }, ...facts.flatMap(([key, value]) => [make("dt", {}, text(key)), make("dd", {}, isolated(value))]));
}
