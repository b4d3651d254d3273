/**
 * Chinese BERT's tokenizer as Chinese CLIP uses it: the same ids as scripts/cnclip/tokens.py gives, for any text.
 *
 * Which characters are spaces, accents and so on comes from the server (characters.json), since a browser's Unicode may
 * be newer or older than Python's. (Letters that came since then are in no vocabulary, in neither case.)
 */

const LONGEST_WORD = 200; // characters; a longer one is unknown as a whole
const KINDS = ["spaces", "dropped", "apart", "breaks", "accents", "punctuation"];
const [SPACE, DROPPED, APART, BREAK, ACCENT, PUNCTUATION] = KINDS.map((_, place) => 1 << place);

export class Tokenizer {
  /**
   * @param {string} vocabulary the text of vocab.txt: one entry a line, its number the id
   * @param {Object} characters characters.json: ranges of code points by kind
   */
  constructor(vocabulary, characters) {
    const lines = vocabulary.replace(/[\r\n]+$/, "").split("\n");
    this.ids = new Map(lines.map((line, id) => [line.replace(/\r+$/, ""), id]));
    this.kinds = new Uint8Array(0x110000);
    KINDS.forEach((name, place) => {
      for (const [first, last] of characters[name]) {
        for (let code = first; code <= last; code++) this.kinds[code] |= 1 << place;
      }
    });
  }

  /** A text as search reads it: in lower case, with straight double quotes. */
  normalise(text) {
    return text.toLowerCase().replace(/[\u201c\u201d]/g, '"');
  }

  /**
   * Token ids of one text, as it is: see `normalise`.
   * @returns {number[]} `length` ids: start, pieces, end, zeros; the pieces of a longer text are cut
   */
  encode(text, length) {
    const ids = [this.ids.get("[CLS]"), ...this.#pieces(text, length - 2), this.ids.get("[SEP]")];
    return [...ids, ...new Array(length - ids.length).fill(0)];
  }

  #pieces(text, room) {
    const pieces = [];
    for (const word of this.#words(text)) {
      pieces.push(...this.#split(Array.from(word)));
      if (pieces.length >= room) break; // the rest of a long text could change nothing
    }
    return pieces.slice(0, room);
  }

  /** The words of a text, in lower case and without accents; a punctuation mark is a word of its own. */
  *#words(text) {
    for (const rough of this.#parts(text, (kind, character) => this.#cleaned(kind, character))) {
      yield* this.#parts(rough.toLowerCase().normalize("NFD"), (kind, character) => {
        if (kind & ACCENT) return "";
        return kind & PUNCTUATION ? ` ${character} ` : character;
      });
    }
  }

  /** What is between spaces, after each character became what `changed` says. */
  #parts(text, changed) {
    let whole = "";
    for (const character of text) whole += changed(this.kinds[character.codePointAt(0)], character);
    return whole.split(" ").filter((part) => part);
  }

  #cleaned(kind, character) {
    if (kind & (SPACE | BREAK)) return " ";
    if (kind & DROPPED) return "";
    return kind & APART ? ` ${character} ` : character;
  }

  /** The longest known piece from the left, again and again; one unknown rest makes the word unknown. */
  #split(characters) {
    const unknown = [this.ids.get("[UNK]")];
    if (characters.length > LONGEST_WORD) return unknown;
    const pieces = [];
    for (let start = 0; start < characters.length; ) {
      let end = characters.length;
      let id;
      for (; end > start; end--) {
        id = this.ids.get((start ? "##" : "") + characters.slice(start, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return unknown;
      pieces.push(id);
      start = end;
    }
    return pieces;
  }
}
