/** The filters: opening and closing them, and how they stand in the fields. */

import { ask } from "./api.js";
import { byId, make } from "./dom.js";
import { FILTERS, filtersOf } from "./query.js";
import { remember, remembered } from "./settings.js";
import { cosine, number, text } from "./texts.js";

let tags = [];

/** @param {Function} changed called with {name: value} when the user changed fields */
export function startFilters(changed) {
  const form = byId("search");
  const toggle = byId("filters-toggle");
  const open = (wanted) => {
    byId("filters").hidden = !wanted;
    toggle.setAttribute("aria-expanded", String(wanted));
  };
  open(remembered("filters_open", false));
  toggle.addEventListener("click", () => {
    open(byId("filters").hidden);
    remember("filters_open", !byId("filters").hidden);
  });
  form.addEventListener("change", (event) => {
    const field = event.target;
    if (field.name === "kind" || FILTERS.includes(field.name)) changed({ [field.name]: field.value.trim() });
  });
  byId("filters-clear").addEventListener("click", () => changed(Object.fromEntries(["kind", ...FILTERS].map((name) => [name, ""]))));
}

export function showFilters(query) {
  for (const name of FILTERS) if (name !== "tag") byId(name).value = query[name];
  showTags(query.tag);
  for (const radio of document.querySelectorAll('input[name="kind"]')) radio.checked = radio.value === query.kind;
  const count = byId("filters-count");
  const used = filtersOf(query).length;
  count.hidden = !used;
  count.textContent = used || "";
}

/** Ask for the tags that there are; @returns {Promise<Array<string>>} */
export async function loadTags(chosen) {
  tags = (await ask("/api/tags")).tags;
  showTags(chosen);
  return tags.map(({ tag }) => tag);
}

function showTags(chosen) {
  const all = tags.some(({ tag }) => tag === chosen) || !chosen ? tags : [...tags, { tag: chosen, count: 0 }];
  const option = ({ tag, count }) => make("option", { value: tag }, `${tag} (${number(count)})`);
  byId("tag").replaceChildren(make("option", { value: "" }, text("any_tag")), ...all.map(option));
  byId("tag").value = chosen;
}

/** What the scores of this model mean, with the calibrated score to take; none is used unless it is asked for. */
export function showScoreHint(minScore, use) {
  const hint = byId("min-score-hint");
  if (minScore === null || minScore === undefined || minScore === "") return hint.replaceChildren(text("min_score_hint"));
  const value = Number(minScore);
  hint.replaceChildren(
    `${text("min_score_calibrated", { score: cosine(value) })} `,
    make("button", { type: "button", class: "link", click: () => use(value.toFixed(3)) }, text("min_score_use", { score: cosine(value) })),
  );
}
