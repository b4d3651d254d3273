/** A picture as the question: chosen, pasted or dropped. */

import { byId, make } from "./dom.js";
import { bytes, text } from "./texts.js";

const MOST_BYTES = 20 * 1000 * 1000; // what the server takes
const NAMED_PICTURE = /\.(jpe?g|png|webp|bmp|gif|heic|heif)$/i;

/**
 * Take pictures from the file button, from the clipboard and from what is dropped anywhere on the page.
 * @param {Function} chosen called with a File
 * @param {Function} refused called with words that say why not
 */
export function takePictures(chosen, refused) {
  const take = (file) => {
    const named = { name: file.name || text("image"), size: bytes(file.size), most: bytes(MOST_BYTES) };
    if (!file.type.startsWith("image/") && !NAMED_PICTURE.test(file.name)) refused(text("not_a_picture", named));
    else if (file.size > MOST_BYTES) refused(text("picture_too_large", named));
    else chosen(file);
  };
  const input = byId("picture-file");
  byId("picture-choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files.length) take(input.files[0]);
    input.value = ""; // the same file may be chosen again
  });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files][0];
    if (!file) return; // words go where the cursor is
    event.preventDefault();
    take(file);
  });
  takeDrops(take);
}

function takeDrops(take) {
  const carriesFiles = (event) => [...event.dataTransfer.types].includes("Files");
  const area = byId("drop");
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    area.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) area.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    area.hidden = true;
    if (!carriesFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
}

/** A small drawing of a picture that is not on the server. Drawn, since the page may load pictures from its server alone. */
export async function drawn(file, side = 80) {
  const canvas = make("canvas", { width: side, height: side });
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.max(side / bitmap.width, side / bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    canvas.getContext("2d").drawImage(bitmap, (side - width) / 2, (side - height) / 2, width, height);
  } catch {
    return null; // a format that the server reads and the browser does not
  }
  return canvas;
}
