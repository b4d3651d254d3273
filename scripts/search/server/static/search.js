/** Asking for hits: a page of them, or all. */

import { address, ask, askFile } from "./api.js";
import { isPicture, parameters } from "./query.js";

const MOST_ON_A_PAGE = 200;

/**
 * One page of hits.
 * @param {Object} query see query.js
 * @param {?File} picture where the query is a picture from outside
 */
export function search(query, picture, { signal, ...paging } = {}) {
  const values = parameters(query, paging);
  if (!isPicture(query)) return ask(address("/api/search", { q: query.q, ...values }), { signal });
  return ask("/api/search/image", { method: "POST", body: form(query, picture, values), signal });
}

/** All hits as a file, "csv" or "json". */
export function hitsAsFile(query, picture, format) {
  const values = { ...parameters(query), format };
  if (!isPicture(query)) return askFile(address("/api/export", { q: query.q, ...values }));
  return askFile("/api/search/image", { method: "POST", body: form(query, picture, values) });
}

function form(query, picture, values) {
  const body = new FormData();
  if (picture) body.set("file", picture);
  else body.set("asset_id", query.like);
  if (!picture && query.time !== "") body.set("time", query.time);
  for (const [name, value] of Object.entries(values)) if (value !== "") body.set(name, value);
  return body;
}

/** All hits of a query, asked for page by page. */
export async function allHits(query, picture) {
  const found = [];
  for (let page = 1; ; page += 1) {
    const { results, total } = await search(query, picture, { page, pageSize: MOST_ON_A_PAGE });
    found.push(...results);
    if (!results.length || found.length >= total) return found;
  }
}
