/** Numbered pages under the results. */

import { button, make } from "./dom.js";
import { number, text } from "./texts.js";

/** The page numbers to show: first, last and those about this one; null stands for a gap. */
export function pagesShown(page, pages) {
  const near = [1, page - 1, page, page + 1, pages].filter((n) => n >= 1 && n <= pages);
  const sorted = [...new Set(near)].sort((a, b) => a - b);
  return sorted.flatMap((n, i) => {
    const gap = i ? n - sorted[i - 1] : 1;
    return gap === 1 ? [n] : gap === 2 ? [n - 1, n] : [null, n];
  });
}

/** @param {Function} go called with the number of the wanted page */
export function showPager(nav, { page, pages }, go) {
  nav.hidden = pages <= 1;
  if (nav.hidden) return nav.replaceChildren();
  const step = (symbol, label, to) => button({ symbol, label: text(label), disabled: to < 1 || to > pages, click: () => go(to) });
  const numbered = (n) =>
    n === null
      ? make("li", { class: "gap", "aria-hidden": "true" }, "…")
      : make("li", {}, make("button", { type: "button", class: "plain", "aria-label": text("page", { page: n }), "aria-current": n === page && "page", click: () => go(n) }, number(n)));
  nav.replaceChildren(
    step("previous", "previous_page", page - 1),
    make("ol", {}, ...pagesShown(page, pages).map(numbered)),
    step("next", "next_page", page + 1),
  );
}
