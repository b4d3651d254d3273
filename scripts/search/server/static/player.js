/** Pictures and videos in full size. */

import { ask, assetAddress } from "./api.js";
import { button, make } from "./dom.js";
import { clock, text } from "./texts.js";

const PLAYED_BY_BROWSERS = ["mp4", "m4v", "webm", "mov", "ogv"];
const CLIP_SECONDS = 30; // of a file that is converted to be shown; the server makes at most 60
const LARGE = 1600; // pixels of what stands in for a picture that the browser does not know, such as HEIC

/** @returns {{element: Element, tools: Array<Element>}} */
export function picturePlayer(asset) {
  const shown = make("img", { src: assetAddress(asset, "file"), alt: asset.name, class: "full" });
  const frame = make("div", { class: "full-frame" }, shown);
  const zoom = button({ symbol: "zoom", label: text("zoom"), shown: text("zoom"), "aria-pressed": "false", click: () => turn() });
  const turn = () => zoom.setAttribute("aria-pressed", String(frame.classList.toggle("real-size")));
  shown.addEventListener("click", turn);
  shown.addEventListener(
    "error",
    () => {
      shown.addEventListener("error", () => frame.replaceChildren(make("p", {}, text("cannot_show", { message: asset.name }))), { once: true });
      shown.src = assetAddress(asset, "thumb", { size: LARGE });
    },
    { once: true },
  );
  return { element: frame, tools: [zoom], time: () => null, stop: () => {} };
}

/**
 * A video that shows any second of a file: by itself, or where the browser cannot play the file, by converted clips.
 * @returns {{element: Element, tools: Array<Element>, show: Function, time: Function, stop: Function}}
 *   `show(second, {play})` goes there; `time()` is the second of the file that is on the screen
 */
export function videoPlayer(asset, second) {
  const note = make("p", { class: "clip-note", hidden: true });
  const video = make("video", { controls: true, preload: "metadata", playsinline: true, "aria-label": asset.name });
  const earlier = button({ symbol: "previous", label: text("clip_earlier"), shown: text("clip_earlier"), click: () => cut(from - CLIP_SECONDS) });
  const later = button({ symbol: "next", label: text("clip_later"), shown: text("clip_later"), click: () => cut(from + CLIP_SECONDS) });
  const steps = make("div", { class: "clip-steps", hidden: true }, earlier, later);
  const length = asset.duration ?? Infinity;
  let from = 0; // second of the file at which what the element plays begins
  let until = length;
  let clips = !PLAYED_BY_BROWSERS.includes(asset.name.split(".").pop().toLowerCase());
  let wanted = null;

  const show = (moment, { play = false } = {}) => {
    if (clips && !(video.src && from <= moment && moment < until)) return cut(moment - 2, { moment, play });
    wanted = { moment, play };
    if (video.readyState >= HTMLMediaElement.HAVE_METADATA) arrive();
  };
  const arrive = () => {
    if (!wanted) return;
    video.currentTime = wanted.moment - from;
    if (wanted.play) video.play().catch(() => {}); // a browser may refuse to play unasked: the controls are there
    wanted = null;
  };
  const cut = (start, { moment = null, play = false } = {}) => {
    from = Math.max(0, Math.min(start, length - 1));
    until = Math.min(length, from + CLIP_SECONDS);
    wanted = { moment: moment ?? from, play };
    video.src = assetAddress(asset, "clip", { start: from, end: Number.isFinite(until) ? until : from + CLIP_SECONDS });
    note.textContent = text("clip_shown", { start: clock(from), end: clock(until) });
    note.hidden = steps.hidden = false;
    earlier.disabled = from <= 0;
    later.disabled = until >= length;
  };
  const element = make("div", { class: "full-frame" }, video, note, steps);
  video.addEventListener("loadedmetadata", arrive);
  video.addEventListener("error", async () => {
    if (!video.hasAttribute("src")) return; // stopped
    if (!clips) {
      clips = true;
      video.removeAttribute("src");
      show(wanted?.moment ?? second);
      return;
    }
    // A media element does not say what the server told it: ask again for the words.
    const message = await ask(video.src).then(() => video.error?.message ?? "", (error) => error.message);
    element.replaceChildren(make("p", {}, text("cannot_show", { message })));
  });
  if (!clips) video.src = assetAddress(asset, "file");
  show(second);
  const stop = () => {
    video.pause();
    video.removeAttribute("src");
    video.load(); // ends the download
  };
  return { element, tools: [], show, time: () => from + video.currentTime, stop };
}
