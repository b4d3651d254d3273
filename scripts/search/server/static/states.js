/** What stands in place of results: still loading, nothing there, nothing found, something wrong. */

import { icon, make } from "./dom.js";

/**
 * A message in the middle of the page.
 * @param {{symbol?: string, title: string, why?: string, code?: string, offers?: Array<{label: string, act: Function}>}} said
 */
export function state({ symbol = null, title, why = "", code = "", offers = [] }) {
  return make(
    "div",
    { class: "state" },
    symbol ? icon(symbol) : make("span", { class: "spinner", "aria-hidden": "true" }),
    make("h2", {}, title),
    why ? make("p", {}, why) : null,
    code ? make("p", {}, make("code", {}, code)) : null,
    ...offers.map(({ label, act }) => make("button", { type: "button", class: "primary", click: act }, label)),
  );
}
