/** What the browser remembers between visits. A browser that refuses to store forgets, and nothing else breaks. */

const PREFIX = "polymill.search.";

export function remembered(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Private windows and full stores refuse: the setting holds until the page is closed.
  }
}
