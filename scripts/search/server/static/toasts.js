/** Short words at the foot of the page that go away by themselves. */

import { byId, make } from "./dom.js";

const SHOWN_MS = 5000;

/** @param {?{label: string, act: Function}} offer a button, such as the one that undoes */
export function tell(words, offer = null) {
  const toast = make("div", { class: "toast" }, make("span", {}, words));
  const end = () => toast.remove();
  if (offer) {
    toast.append(make("button", { type: "button", class: "plain", click: () => (end(), offer.act()) }, offer.label));
  }
  // What is told while a dialog is open must lie inside it: all else is inert.
  (document.querySelector("dialog[open] .toasts") ?? byId("toasts")).append(toast);
  let timer = setTimeout(end, SHOWN_MS);
  toast.addEventListener("focusin", () => clearTimeout(timer));
  toast.addEventListener("focusout", () => (timer = setTimeout(end, SHOWN_MS)));
}
