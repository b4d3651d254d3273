/** Paths on the clipboard, and lists of hits as files. */

/** @returns {Promise<boolean>} whether the words are on the clipboard now */
export async function copy(words) {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    return copyOldWay(words); // pages that come over plain HTTP from another machine have no clipboard
  }
}

function copyOldWay(words) {
  const field = document.createElement("textarea");
  field.value = words;
  field.className = "sr-only";
  // Inside an open dialog, all else is inert and cannot be selected.
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  const before = document.activeElement;
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus();
  return done;
}

/** Let the browser save what lies at an address. */
export function save(href, name) {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
}
