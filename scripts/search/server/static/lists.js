/** The other views: near-equal files, files that could not be indexed, files that were hidden. */

import { address, ask } from "./api.js";
import { grid } from "./cards.js";
import { isolated, make } from "./dom.js";
import { state } from "./states.js";
import { cosine, text } from "./texts.js";

const GROUPS_ON_A_PAGE = 20;
const FAILURES_ON_A_PAGE = 50;

/**
 * Each view asks the server and answers {summary, content, assets, pages}; `assets` are those that the viewer leads
 * through.
 */
export async function duplicates({ page, score, actions, signal }) {
  const told = await ask(address("/api/duplicates", { min_score: score, page, page_size: GROUPS_ON_A_PAGE }), { signal });
  const one = (group) =>
    make(
      "section",
      { class: "group" },
      make("h2", {}, text("group", { n: group.results.length, score: cosine(group.score) })),
      grid(group.results, actions),
    );
  return {
    summary: text("groups", { n: told.total }),
    content: told.total ? make("div", {}, ...told.groups.map(one)) : state({ symbol: "similar", title: text("no_duplicates"), why: text("no_duplicates_why") }),
    assets: told.groups.flatMap((group) => group.results),
    pages: Math.ceil(told.total / told.page_size),
  };
}

export async function failures({ page, signal }) {
  const told = await ask(address("/api/failures", { page, page_size: FAILURES_ON_A_PAGE }), { signal });
  const heads = ["failure_path", "failure_error", "failure_message"].map((key) => make("th", { scope: "col" }, text(key)));
  const row = (failure) => make("tr", {}, make("td", {}, isolated(failure.path)), make("td", {}, make("code", {}, failure.error)), make("td", {}, isolated(failure.message)));
  const table = () =>
    make("div", { class: "table", tabindex: "0", role: "region", "aria-label": text("view_failures") }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...told.results.map(row))));
  return {
    summary: text("failures", { n: told.total }),
    content: told.total ? table() : state({ symbol: "picture", title: text("no_failures"), why: text("no_failures_why") }),
    assets: [],
    pages: Math.ceil(told.total / told.page_size),
  };
}

export async function hidden({ page, pageSize, actions, signal, ...leaving }) {
  const told = await ask(address("/api/hidden", { page, page_size: pageSize }), { signal });
  return {
    summary: text("hidden", { n: told.total }),
    content: told.total ? grid(told.results, actions, leaving) : state({ symbol: "hide", title: text("no_hidden"), why: text("no_hidden_why") }),
    assets: told.results,
    pages: Math.ceil(told.total / told.page_size),
  };
}
