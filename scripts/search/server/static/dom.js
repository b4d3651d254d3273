/** Building elements. Words always go in as text, so a file name with markup in it stays a name. */

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/**
 * An element with attributes, listeners and children.
 * @param {string} tag
 * @param {Object} properties attribute values; true and false set and leave out; a function listens to the event named by its key
 * @param {...(Node|string|null)} children strings become text nodes, null is left out
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A picture of the sprite; it says nothing to those who listen, so what it stands for needs words of its own. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** A button; without `shown` words it is an icon alone, whose `label` is its name and its tooltip. */
export function button({ symbol, label, shown = null, click, ...properties }) {
  const words = shown === null ? { "aria-label": label, title: label } : {};
  const kind = { class: shown === null ? "plain icon-only" : "plain" };
  return make("button", { type: "button", ...kind, ...words, click, ...properties }, symbol ? icon(symbol) : null, shown);
}

/** Text from outside, such as a file name: kept apart, so that right-to-left letters in it do not turn the rest around. */
export function isolated(words, properties = {}) {
  return make("bdi", properties, words);
}
