/** The tags of one file, to be changed. */

import { ask, assetAddress } from "./api.js";
import { button, isolated, make } from "./dom.js";
import { text } from "./texts.js";
import { tell } from "./toasts.js";

/** @param {Function} changed called with the asset when the server has its new tags */
export function tagEditor(asset, known, changed) {
  const list = make("ul", { class: "tags", role: "list" });
  const input = make("input", { id: "new-tag", type: "text", maxlength: "64", list: "known-tags", "aria-label": text("tag_add"), placeholder: text("tag_add") });
  const form = make("form", { class: "tag-form", submit: (event) => (event.preventDefault(), add()) }, input, make("button", { type: "submit", class: "plain" }, text("tag_add_button")));
  const put = async (tags) => {
    try {
      const answer = await ask(assetAddress(asset, "tags"), { method: "PUT", body: JSON.stringify({ tags }) });
      asset.tags = answer.tags ?? tags;
      show();
      changed(asset);
    } catch (error) {
      tell(error.message || text("unreachable"));
    }
  };
  const add = async () => {
    const tag = input.value.trim();
    if (!tag || asset.tags.includes(tag)) return;
    await put([...asset.tags, tag]);
    if (asset.tags.includes(tag)) input.value = "";
  };
  const remove = async (tag) => {
    await put(asset.tags.filter((each) => each !== tag));
    input.focus();
  };
  const show = () =>
    list.replaceChildren(
      ...asset.tags.map((tag) => make("li", {}, isolated(tag), button({ symbol: "close", label: text("tag_remove", { tag }), click: () => remove(tag) }))),
    );
  asset.tags ??= [];
  show();
  const options = known.filter((tag) => !asset.tags.includes(tag)).map((tag) => make("option", { value: tag }));
  return make("section", {}, make("h3", {}, text("tags")), list, form, make("datalist", { id: "known-tags" }, ...options));
}
