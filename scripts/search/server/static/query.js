/** What is asked for: kept in the address of the page, so that it can be sent to others and the back button works. */

import { address } from "./api.js";
import { remembered } from "./settings.js";

export const FILTERS = ["neg", "path", "from", "to", "tag", "min_score"];
const TEXT_FIELDS = ["q", "kind", ...FILTERS];
const VIEWS = ["search", "duplicates", "failures", "hidden"];
const MOST_ON_A_PAGE = 200;

/**
 * The query of an address.
 *
 * `like` is the number of a file to which others are to be similar, `time` the second of its frame. A picture from
 * outside has no address: `picture` is the number under which this page keeps it, and is in no link.
 */
export function fromAddress(search, picture = null) {
  const given = new URLSearchParams(search);
  const query = { picture, like: given.get("like") ?? "", time: given.get("time") ?? "" };
  for (const name of TEXT_FIELDS) query[name] = given.get(name) ?? "";
  query.view = VIEWS.includes(given.get("view")) ? given.get("view") : "search";
  query.page = Math.max(1, Number.parseInt(given.get("page"), 10) || 1);
  return query;
}

export function toAddress(query) {
  const { view, page, picture, ...rest } = query;
  return address("/", { ...rest, view: view === "search" ? "" : view, page: page === 1 ? "" : page });
}

/** The same question with its filters as they are, but another subject and its first page. */
export const about = (query, subject) => ({ ...query, q: "", like: "", time: "", picture: null, ...subject, page: 1, view: "search" });

export const isPicture = (query) => query.picture !== null || query.like !== "";

export const filtersOf = (query) => FILTERS.filter((name) => query[name] !== "");

/** What the server is asked besides the subject: filters and page. */
export function parameters(query, { page = query.page, pageSize = remembered("page_size", 24) } = {}) {
  const values = { page, page_size: Math.min(MOST_ON_A_PAGE, pageSize) };
  for (const name of ["kind", ...FILTERS]) values[name] = query[name];
  return values;
}
