/** Names that the framing of an answer depends on; they are always read. */
const FRAMING = ['content-length', 'transfer-encoding', 'connection', 'keep-alive'];

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const DELETE = 0x7f;

/** Objects without a prototype that V8 still gives a shape; `Object.create(null)` makes slow dictionaries. */
const Bag = function Bag() {} as unknown as new () => Record<string, string | string[]>;
Bag.prototype = Object.freeze(Object.create(null));

/** RFC 9110, section 5.6.2. */
const IS_TOKEN = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  IS_TOKEN[char.charCodeAt(0)] = 1;
}

/** Which headers are worth picking: a first look at length and first letter spares most of the others their string. */
export interface HeaderInterest {
  readonly names: ReadonlySet<string> | null;
  readonly candidates: Uint8Array;
}

/** `names` in lower case; null for all. */
export function planInterest(names: readonly string[] | null): HeaderInterest {
  const candidates = new Uint8Array(64 * 32);
  if (names === null) return { names: null, candidates: candidates.fill(1) };
  const all = new Set([...names, ...FRAMING]);
  for (const name of all) candidates[slotOf(name.length, name.charCodeAt(0))] = 1;
  return { names: all, candidates };
}

const slotOf = (length: number, first: number) => ((length & 63) << 5) | (first & 31);

/**
 * The head of one answer (RFC 9112, sections 4 and 5). One object per connection, filled anew by each `parse`.
 * Stricter than the standard allows: bare LF, bare CR, folded lines and control characters are refused.
 */
export class ResponseHead {
  status = 0;
  headers: Record<string, string | string[]> = new Bag();
  /** null when there is none. */
  contentLength: number | null = null;
  chunked = false;
  /** Whether the connection may carry another call when this answer has ended. */
  keepAlive = false;
  /** The server's hint of how long it keeps an idle connection; null without one. */
  keepAliveHintMs: number | null = null;
  readonly #interest: HeaderInterest;

  constructor(interest: HeaderInterest) {
    this.#interest = interest;
  }

  /** Reads a head: every line with its CRLF, without the empty line. False when it is not valid. */
  // hot
  parse(text: string): boolean {
    this.headers = new Bag();
    let at = this.#statusLine(text);
    while (at !== -1 && at < text.length) at = this.#header(text, at);
    return at !== -1 && this.#framing(text.charCodeAt(7) === 0x31);
  }

  /** Returns where the next line begins, -1 for a fault. The reason phrase, also with its space, may be missing: many servers send none. */
  #statusLine(text: string): number {
    const minor = text.charCodeAt(7);
    if (!text.startsWith('HTTP/1.') || (minor !== 0x30 && minor !== 0x31) || text.charCodeAt(8) !== SPACE) return -1;
    let status = 0;
    for (let i = 9; i < 12; i++) {
      const digit = text.charCodeAt(i) - 0x30;
      if (!(digit >= 0 && digit <= 9)) return -1;
      status = status * 10 + digit;
    }
    if (status < 100) return -1;
    this.status = status;
    const after = text.charCodeAt(12);
    return after === SPACE || after === CR ? lineEnd(text, 12) : -1;
  }

  #header(text: string, from: number): number {
    let colon = from;
    while (IS_TOKEN[text.charCodeAt(colon)] === 1) colon++;
    if (colon === from || text.charCodeAt(colon) !== COLON) return -1;
    const next = lineEnd(text, colon + 1);
    if (next === -1) return -1;
    if (this.#interest.candidates[slotOf(colon - from, text.charCodeAt(from))] === 1) {
      this.#pick(text.slice(from, colon).toLowerCase(), text, colon + 1, next - 2);
    }
    return next;
  }

  #pick(name: string, text: string, from: number, to: number): void {
    const { names } = this.#interest;
    if (names?.has(name) === false) return;
    let [start, end] = [from, to];
    while (start < end && isBlank(text.charCodeAt(start))) start++;
    while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
    const value = text.slice(start, end);
    const before = this.headers[name];
    if (before === undefined) this.headers[name] = value;
    else if (typeof before === 'string') this.headers[name] = [before, value];
    else before.push(value);
  }

  /** RFC 9112, sections 6.1 to 6.3 and 9.3. */
  #framing(isVersion11: boolean): boolean {
    const length = this.headers['content-length'];
    const coding = this.headers['transfer-encoding'];
    const connection = this.headers['connection'];
    const hint = this.headers['keep-alive'];
    this.contentLength = null;
    if (length !== undefined) {
      // A list, also of equal numbers, is the mark of a message that somebody tampered with.
      if (typeof length !== 'string' || !/^\d{1,15}$/.test(length)) return false;
      this.contentLength = Number(length);
    }
    this.chunked = coding !== undefined;
    if (coding !== undefined && (typeof coding !== 'string' || !/^chunked$/i.test(coding) || !isVersion11))
      return false;
    this.keepAlive = keepsAlive(connection, isVersion11) && !(this.chunked && length !== undefined);
    // It does not say how long the body is, so it must not be passed on (section 6.3).
    if (this.chunked && length !== undefined) delete this.headers['content-length'];
    const seconds = hint === undefined ? null : /(?:^|[,\s])timeout\s*=\s*"?(\d{1,6})/i.exec(String(hint));
    this.keepAliveHintMs = seconds === null ? null : Number(seconds[1]) * 1_000;
    return true;
  }
}

function keepsAlive(connection: string | string[] | undefined, isVersion11: boolean): boolean {
  if (connection === undefined) return isVersion11;
  if (connection === 'keep-alive') return true;
  const options = String(connection)
    .toLowerCase()
    .split(/[\s,]+/);
  return !options.includes('close') && (isVersion11 || options.includes('keep-alive'));
}

const isBlank = (char: number) => char === SPACE || char === TAB;

/** Where the line after this one begins; -1 when a character of this one, or its end, is not allowed. */
function lineEnd(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if ((char >= SPACE && char !== DELETE) || char === TAB) continue;
    return char === CR && text.charCodeAt(i + 1) === LF ? i + 2 : -1;
  }
  return -1;
}
