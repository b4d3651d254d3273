/** The grid of found files, and walking through it with the arrow keys. */

import { assetAddress } from "./api.js";
import { button, icon, isolated, make } from "./dom.js";
import { clock, cosine, text } from "./texts.js";

const THUMBNAIL = 320; // pixels; the same for all sizes of cards, so that each is fetched and cached once

/** A small picture of a file, or of a video's second, fetched when it comes into sight. */
export function thumbnail(asset, time = asset.time) {
  const shown = make("img", {
    src: assetAddress(asset, "thumb", { time: asset.kind === "video" ? (time ?? 0) : "", size: THUMBNAIL }),
    alt: "",
    loading: "lazy",
    decoding: "async",
    width: 320,
    height: 240,
  });
  shown.addEventListener("error", () => shown.replaceWith(icon(asset.kind === "video" ? "video" : "picture")), { once: true });
  return shown;
}

/**
 * One card.
 * @param {Object} actions open(asset), similar(asset), copy(asset), and restore(asset) in the list of hidden files
 */
export function card(asset, actions) {
  const open = make(
    "a",
    {
      class: "open",
      href: assetAddress(asset, "file"),
      title: asset.path,
      click: (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return; // a new tab or window shows the file itself
        event.preventDefault();
        actions.open(asset);
      },
    },
    make("span", { class: "thumb" }, thumbnail(asset), ...badges(asset)),
    make("span", { class: "name" }, isolated(asset.name)),
    make("span", { class: "facts" }, facts(asset)),
  );
  const tools = make("div", { class: "card-tools" });
  if (actions.similar) tools.append(button({ symbol: "similar", label: text("similar_to", { name: asset.name }), click: () => actions.similar(asset) }));
  if (actions.copy) tools.append(button({ symbol: "copy", label: text("copy_of", { name: asset.name }), class: "plain icon-only copy", click: () => actions.copy(asset) }));
  if (actions.restore) tools.append(button({ symbol: "restore", label: text("restore"), shown: text("restore"), click: () => actions.restore(asset) }));
  return make("li", { class: "card", "data-id": asset.id }, open, tools);
}

function badges(asset) {
  if (asset.kind !== "video") return [];
  const moment = asset.time === null || asset.time === undefined ? null : clock(asset.time);
  const length = asset.duration ? clock(asset.duration) : "";
  return [
    make("span", { class: "badge" }, icon("play"), make("span", { class: "sr-only" }, `${text("video")} `), moment && length ? `${moment} / ${length}` : (moment ?? length)),
  ];
}

function facts(asset) {
  const size = asset.width && asset.height ? `${asset.width} × ${asset.height}` : "";
  const score = asset.score === null || asset.score === undefined ? "" : cosine(asset.score);
  const tags = asset.tags?.length ? asset.tags.map((tag) => `#${tag}`).join(" ") : "";
  return [score, tags || size].filter(Boolean).join(" · ");
}

/**
 * Cards in a list of which Tab enters one and the arrow keys walk through all.
 * @param {Function} past called with −1 or 1 where an arrow leads out of the list
 * @param {Function} leave called for Escape
 */
export function grid(assets, actions, { past = () => {}, leave = () => {} } = {}) {
  const list = make("ul", { class: "grid", role: "list" }, ...assets.map((asset) => card(asset, actions)));
  const cards = () => [...list.children];
  const enter = (chosen) => {
    for (const each of cards()) {
      for (const stop of each.querySelectorAll("a, button")) stop.tabIndex = each === chosen ? 0 : -1;
    }
  };
  const columns = () => cards().filter((each) => each.offsetTop === list.firstElementChild.offsetTop).length;
  list.addEventListener("focusin", (event) => enter(event.target.closest(".card")));
  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.key === "Escape") return leave();
    const all = cards();
    const here = all.indexOf(event.target.closest(".card"));
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns(), Home: -here, End: all.length - 1 - here };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const to = here + steps[event.key];
    if (all[to]) all[to].querySelector(".open").focus();
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") past(steps[event.key]);
  });
  if (list.firstElementChild) enter(list.firstElementChild);
  return list;
}
