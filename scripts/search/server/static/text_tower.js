/** The text tower in this browser: loaded once, then words become a vector. */

import * as ort from "./vendor/ort.wasm.bundle.min.mjs";
import { Tokenizer } from "./tokenizer.js";

export class DamagedFile extends Error {}

export class TextTower {
  /** See `openTower`. */
  constructor(session, tokenizer, facts) {
    Object.assign(this, { session, tokenizer, facts });
  }

  /**
   * The vector of a text.
   * @returns {Promise<{vector: Float32Array, tokens_ms: number, encoding_ms: number}>} of length 1
   */
  async encode(text) {
    const { context_length: length, input, output } = this.facts;
    const begun = performance.now();
    const ids = this.tokenizer.encode(this.tokenizer.normalise(text), length);
    const cut = performance.now();
    const tensor = new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, length]);
    const found = await this.session.run({ [input]: tensor });
    const vector = unit(found[output].data);
    return { vector, tokens_ms: cut - begun, encoding_ms: performance.now() - cut };
  }
}

/**
 * Load a tower and what it needs.
 * @param {Object} facts `towers` of /api/mobile
 * @param {Object} runtime likewise
 * @param {Function} progress called with bytes that are there, and all bytes
 * @throws {DamagedFile} other bytes came than were announced; its message is the file's name
 */
export async function openTower(facts, runtime, progress) {
  const { text, vocab, characters } = facts.files;
  const files = [runtime, text, vocab, characters];
  const total = files.reduce((sum, file) => sum + file.size_bytes, 0);
  let done = 0;
  const arrived = (count) => progress((done += count), total);
  const [wasm, tower, words, kinds] = await Promise.all(files.map((file) => load(file, arrived)));
  const decoded = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  ort.env.wasm.numThreads = 1; // more need headers that would keep other pages of the server from working
  ort.env.wasm.wasmBinary = wasm.buffer;
  const session = await ort.InferenceSession.create(tower, { executionProviders: ["wasm"] });
  const opened = new TextTower(session, new Tokenizer(decoded(words), JSON.parse(decoded(kinds))), facts);
  await opened.encode(""); // the first run is slower than those that follow
  return opened;
}

async function load({ url, size_bytes: size, sha256 }, arrived) {
  const damaged = () => new DamagedFile(url.replace(/\?.*/, ""));
  const answer = await fetch(url);
  if (!answer.ok) throw damaged();
  const bytes = new Uint8Array(size);
  let place = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if (place + value.length > size) throw damaged();
    bytes.set(value, place);
    place += value.length;
    arrived(value.length);
  }
  if (place !== size || !(await isWhole(bytes, sha256))) throw damaged();
  return bytes;
}

/** Whether bytes have a digest; true where the browser computes none, as on pages that came over plain HTTP. */
async function isWhole(bytes, sha256) {
  if (!sha256 || !globalThis.crypto?.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}

function unit(vector) {
  const length = Math.hypot(...vector);
  return Float32Array.from(vector, (value) => value / length);
}
