import { labelOf } from './findings.ts';
import { labelAt, type Places, step } from './paths.ts';
import { redactNumber, redactText, type TextRules } from './text.ts';

/** What is nested deeper counts as unreadable, JSON inside of strings included; requests are refused from 128 on. */
const MAX_DEPTH = 256;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
/** JSON.org's numbers and words, and those that Python writes beside them. */
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings (RFC 8259, section 7)
const SPECIAL = /["\\\u0000-\u001f]/g;
/** Values that say nothing; answers of the Responses API have an empty list of log probabilities in every text. */
const EMPTY = /null|\[[ \t\r\n]*\]|\{[ \t\r\n]*\}/y;
const NOWHERE: Places = [];

/** How a text is read. */
export interface JsonOptions {
  /** How much of the text is kept, in UTF-16 units; what lies behind is only looked at. Without it: all. */
  readonly keep?: number;
  /** Whether a text that breaks off by itself counts as none. */
  readonly isStrict?: boolean;
  /** How deep the text is nested in others. */
  readonly depth?: number;
}

/**
 * JSON text without what the rules find in its keys, strings and numbers, and with labels in place of the values at `paths`.
 * Everything else stays as it was written, so that a text with nothing to find comes out unchanged. A text that breaks off is kept up
 * to there: what is in front has been looked at. Null when the text is no JSON.
 */
export function redactJson(text: string, rules: TextRules, paths: Places, options: JsonOptions = {}): string | null {
  const { keep = text.length, isStrict = false, depth = 0 } = options;
  return new JsonRedactor(text, rules, Math.min(keep, text.length), isStrict, depth).run(paths);
}

/** One pass over one text. Its methods return false where the pass ends: at `keep`, or at what is no JSON. */
class JsonRedactor {
  readonly #text: string;
  readonly #rules: TextRules;
  readonly #keep: number;
  /** Whether the end of the text is no place to end. */
  readonly #isStrict: boolean;
  #depth: number;
  #at = 0;
  /** What lies before is in `#out`. */
  #from = 0;
  #out = '';
  /** Inside a value that is replaced whole. */
  #isHiding = false;
  #isBad = false;

  constructor(text: string, rules: TextRules, keep: number, isStrict: boolean, depth: number) {
    this.#text = text;
    this.#rules = rules;
    this.#keep = keep;
    this.#isStrict = isStrict && keep === text.length;
    this.#depth = depth;
  }

  run(paths: Places): string | null {
    if (this.#text.charCodeAt(0) === 0xfeff) this.#at = 1;
    if (this.#value(paths)) {
      this.#space();
      if (this.#at < this.#text.length) this.#stop();
    }
    if (this.#isBad) return null;
    return this.#out + this.#rest(this.#keep);
  }

  #value(places: Places): boolean {
    this.#space();
    if (this.#at >= this.#keep) return this.#stop();
    const label = this.#isHiding ? null : labelAt(places);
    if (label !== null && !this.#isEmpty()) return this.#hide(label);
    switch (this.#text.charCodeAt(this.#at)) {
      case QUOTE:
        return this.#string() !== null;
      case OPEN_BRACE:
        return this.#nested(() => this.#object(places));
      case OPEN_BRACKET:
        return this.#nested(() => this.#array(places));
      default:
        return this.#scalar();
    }
  }

  #isEmpty(): boolean {
    EMPTY.lastIndex = this.#at;
    return EMPTY.test(this.#text);
  }

  /** Puts a label in place of a value. */
  #hide(label: string): boolean {
    this.#replace(this.#at, `"${labelOf(label)}"`, this.#at);
    this.#isHiding = true;
    const goesOn = this.#value(NOWHERE);
    this.#isHiding = false;
    this.#from = Math.max(this.#at, this.#from);
    if (!goesOn) this.#from = Math.max(this.#from, this.#keep);
    return goesOn;
  }

  #nested(content: () => boolean): boolean {
    if (this.#depth >= MAX_DEPTH) return this.#bad();
    this.#depth++;
    const goesOn = content();
    this.#depth--;
    return goesOn;
  }

  #object(places: Places): boolean {
    this.#at++;
    if (this.#skip(CLOSE_BRACE)) return true;
    for (;;) {
      this.#space();
      if (this.#at >= this.#keep || this.#text.charCodeAt(this.#at) !== QUOTE) return this.#stop();
      const key = this.#string();
      if (key === null) return false;
      if (!this.#skip(COLON)) return this.#stop();
      if (!this.#value(step(places, key))) return false;
      if (this.#skip(CLOSE_BRACE)) return true;
      if (!this.#skip(COMMA)) return this.#stop();
    }
  }

  #array(places: Places): boolean {
    this.#at++;
    if (this.#skip(CLOSE_BRACKET)) return true;
    for (let index = 0; ; index++) {
      if (!this.#value(places.length === 0 ? NOWHERE : step(places, String(index)))) return false;
      if (this.#skip(CLOSE_BRACKET)) return true;
      if (!this.#skip(COMMA)) return this.#stop();
    }
  }

  #scalar(): boolean {
    SCALAR.lastIndex = this.#at;
    const found = SCALAR.exec(this.#text);
    if (found === null) return this.#stop();
    const start = this.#at;
    this.#at = SCALAR.lastIndex;
    if (this.#isHiding) return true;
    const clean = redactNumber(found[0], this.#rules);
    if (clean !== null) this.#replace(start, JSON.stringify(clean), this.#at);
    return true;
  }

  /** A string or key: gives what it said, null where the pass ends. */
  #string(): string | null {
    const start = this.#at + 1;
    const { end, isClosed, hasEscapes } = this.#endOfString(start);
    if (end === -1) return this.#nothing();
    const said = this.#decode(start, end, hasEscapes);
    if (said === null) return this.#nothing();
    this.#at = isClosed ? end + 1 : this.#text.length;
    if (this.#isHiding) return isClosed ? said : this.#nothing();
    const isCut = this.#at > this.#keep;
    const keep = isCut ? (this.#decode(start, Math.min(end, this.#keep), hasEscapes)?.length ?? 0) : said.length;
    const clean = this.#redactString(said, keep);
    if (clean !== said)
      this.#replace(start - 1, isClosed && !isCut ? JSON.stringify(clean) : `"${inner(clean)}`, this.#at);
    return isClosed ? said : this.#nothing();
  }

  /** JSON inside of a string (arguments of a tool call) is read as such, so that its own escapes hide nothing. */
  #redactString(said: string, keep: number): string {
    if (keep < said.length || !/^\s*[{[]/.test(said)) return redactText(said, this.#rules, keep);
    const clean = redactJson(said, this.#rules, NOWHERE, { depth: this.#depth + 1 }) ?? said;
    return redactText(clean, this.#rules);
  }

  /** Where the content of a string ends: at its quote, or where the text does, before an escape that is not whole. */
  #endOfString(start: number): { end: number; isClosed: boolean; hasEscapes: boolean } {
    let hasEscapes = false;
    SPECIAL.lastIndex = start;
    for (let found = SPECIAL.exec(this.#text); found !== null; found = SPECIAL.exec(this.#text)) {
      const { index } = found;
      const code = this.#text.charCodeAt(index);
      if (code === QUOTE) return { end: index, isClosed: true, hasEscapes };
      if (code !== BACKSLASH) return { end: -1, isClosed: false, hasEscapes };
      hasEscapes = true;
      const next = index + (this.#text[index + 1] === 'u' ? 6 : 2);
      if (next > this.#text.length) return { end: index, isClosed: false, hasEscapes };
      SPECIAL.lastIndex = next;
    }
    return { end: this.#text.length, isClosed: false, hasEscapes };
  }

  /** What a string's content says; a bad escape gives null, one that `end` cuts apart is left out. */
  #decode(start: number, end: number, hasEscapes: boolean): string | null {
    if (!hasEscapes) return this.#text.slice(start, end);
    // The longest escape has six characters.
    for (let cut = end; cut >= start && cut > end - 6; cut--) {
      try {
        return JSON.parse(`"${this.#text.slice(start, cut)}"`) as string;
      } catch {
        if (end !== this.#keep) return null; // a bad escape, not one that is cut
      }
    }
    return null;
  }

  #replace(start: number, text: string, end: number): void {
    this.#out += this.#rest(start) + text;
    this.#from = end;
  }

  #rest(end: number): string {
    return this.#text.slice(this.#from, Math.max(this.#from, end));
  }

  #skip(code: number): boolean {
    this.#space();
    if (this.#text.charCodeAt(this.#at) !== code) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  /** Ends the pass: well when all that is kept has been seen. */
  #stop(): false {
    if (this.#at < this.#keep || this.#isStrict) this.#isBad = true;
    return false;
  }

  #bad(): false {
    this.#isBad = true;
    return false;
  }

  #nothing(): null {
    this.#stop();
    return null;
  }
}

/** A text as it stands between the quotes of a JSON string. */
function inner(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
