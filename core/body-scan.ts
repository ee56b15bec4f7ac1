/**
 * Finds governed keys at the top level of a JSON object without parsing it: one pass over the bytes that skips strings with
 * native indexOf and checks structure only (one object, balanced, nothing behind it). What lies deeper is the reader's to
 * judge. A parser differential must not carry a key past us: escaped keys are decoded before comparing, and a governed key
 * that appears twice or in another case is refused. Case is folded as Go's encoding/json folds it (U+017F is "s", U+212A "k").
 */
export interface ScanPlan {
  /** Governed keys; the result's spans have the same order. */
  readonly keys: readonly string[];
  readonly indexOfFolded: ReadonlyMap<string, number>;
  readonly longestKey: number;
  /** Deepest nesting allowed, the outer object included. */
  readonly maxDepth: number;
}

/** Where a value lies: `[start, end)` in bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type ScanResult =
  | {
      readonly kind: 'ok';
      /** Offset of the outer `{`. */
      readonly open: number;
      /** By index of the governed key; undefined when the key is absent. */
      readonly spans: readonly (Span | undefined)[];
    }
  | { readonly kind: 'bad'; readonly message: string; readonly param: string | null };

/** Prepares a scan for a set of keys. */
export function planScan(keys: readonly string[], maxDepth = 128): ScanPlan {
  return {
    keys,
    indexOfFolded: new Map(keys.map((key, index) => [fold(key), index])),
    longestKey: Math.max(...keys.map((key) => key.length)),
    maxDepth,
  };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
// Every character of a key may be written as \uXXXX.
const ESCAPED_WIDTH = 6;

// hot
export function scanBody(bytes: Buffer, plan: ScanPlan): ScanResult {
  const spans: (Span | undefined)[] = new Array(plan.keys.length).fill(undefined);
  const open = skipSpace(bytes, 0);
  if (open === bytes.length) return bad('The request body is empty; send one JSON object.');
  if (bytes[open] !== OPEN_BRACE) return bad('The request body must be one JSON object.');
  let at = skipSpace(bytes, open + 1);
  if (bytes[at] === CLOSE_BRACE) at++;
  else {
    for (;;) {
      if (bytes[at] !== QUOTE) return bad(`Expected a key in double quotes at byte ${at}.`);
      const keyEnd = endOfString(bytes, at);
      if (keyEnd === -1) return bad('The request body ends inside a string.');
      const keyStart = at + 1;
      at = skipSpace(bytes, keyEnd + 1);
      if (bytes[at] !== COLON) return bad(`Expected ":" at byte ${at}.`);
      const start = skipSpace(bytes, at + 1);
      at = endOfValue(bytes, start, plan.maxDepth);
      if (at < 0) return bad(describeValueFault(at, start, plan.maxDepth));
      if (keyEnd - keyStart <= plan.longestKey * ESCAPED_WIDTH) {
        const refusal = note(bytes, keyStart, keyEnd, { start, end: at }, plan, spans);
        if (refusal !== null) return refusal;
      }
      at = skipSpace(bytes, at);
      if (bytes[at] === CLOSE_BRACE) {
        at++;
        break;
      }
      if (bytes[at] !== COMMA) return bad(unclosed(bytes, at));
      at = skipSpace(bytes, at + 1);
    }
  }
  if (skipSpace(bytes, at) !== bytes.length) return bad(`The JSON object ends at byte ${at}, but the body goes on.`);
  return { kind: 'ok', open, spans };
}

function unclosed(bytes: Buffer, at: number): string {
  return at === bytes.length
    ? 'The request body ends before its JSON object does.'
    : `Expected "," or "}" at byte ${at}.`;
}

/** Keeps the span of a governed key, or says why the key is refused. */
function note(
  bytes: Buffer,
  keyStart: number,
  keyEnd: number,
  span: Span,
  plan: ScanPlan,
  spans: (Span | undefined)[],
): ScanResult | null {
  const key = decodeKey(bytes, keyStart, keyEnd);
  if (key === null) return bad(`The key at byte ${keyStart} is not a valid JSON string.`);
  const index = plan.indexOfFolded.get(fold(key));
  if (index === undefined) return null;
  const name = plan.keys[index]!;
  if (key !== name) return bad(`The key "${key}" differs from "${name}" only in case; write "${name}".`, name);
  if (spans[index] !== undefined) return bad(`The key "${name}" appears twice; send it once.`, name);
  spans[index] = span;
  return null;
}

function decodeKey(bytes: Buffer, start: number, end: number): string | null {
  for (let i = start; i < end; i++) {
    if (bytes[i] === BACKSLASH) return decodeString(bytes, { start: start - 1, end: end + 1 });
  }
  return bytes.toString('utf8', start, end);
}

/** The text of a JSON string value; null when the span holds no valid JSON string. */
export function decodeString(bytes: Buffer, span: Span): string | null {
  if (bytes[span.start] !== QUOTE) return null;
  try {
    return JSON.parse(bytes.toString('utf8', span.start, span.end)) as string;
  } catch {
    return null; // a bad escape or a control character
  }
}

function fold(key: string): string {
  return key.toLowerCase().replaceAll('\u017f', 's');
}

function bad(message: string, param: string | null = null): ScanResult {
  return { kind: 'bad', message, param };
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  for (; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
  }
  return at;
}

/** A native search costs as much as looking at this many bytes here. */
const NEAR_BYTES = 64;

/** The offset of the quote that closes the string opened at `open`; -1 when it never closes. */
function endOfString(bytes: Buffer, open: number): number {
  let from = open + 1;
  for (;;) {
    // Text full of escapes is walked through; a long clean stretch is jumped over.
    const near = Math.min(from + NEAR_BYTES, bytes.length);
    let at = from;
    for (; at < near; at++) {
      const byte = bytes[at]!;
      if (byte === QUOTE) return at;
      if (byte === BACKSLASH) at++;
    }
    // `at` begins no escape that is under way: everything before it has been read.
    const quote = bytes.indexOf(QUOTE, at);
    if (quote === -1) return -1;
    let backslashes = 0;
    while (quote - 1 - backslashes >= at && bytes[quote - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote;
    from = quote + 1;
  }
}

const UNTERMINATED = -1;
const UNBALANCED = -2;
const TOO_DEEP = -3;
const NO_VALUE = -4;

function describeValueFault(fault: number, start: number, maxDepth: number): string {
  switch (fault) {
    case UNTERMINATED:
      return 'The request body ends before its JSON object does.';
    case UNBALANCED:
      return `The value at byte ${start} has unbalanced brackets.`;
    case TOO_DEEP:
      return `The value at byte ${start} is nested deeper than ${maxDepth} levels.`;
    default:
      return `Expected a JSON value at byte ${start}.`;
  }
}

/** The offset behind the value that starts at `start`, or one of the negative faults. */
function endOfValue(bytes: Buffer, start: number, maxDepth: number): number {
  const first = bytes[start];
  if (first === QUOTE) {
    const end = endOfString(bytes, start);
    return end === -1 ? UNTERMINATED : end + 1;
  }
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfNested(bytes, start, maxDepth);
  let at = start;
  for (; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === COMMA || byte === CLOSE_BRACE || byte <= 0x20) break;
    if (byte === QUOTE || byte === COLON || byte === OPEN_BRACE || byte === OPEN_BRACKET || byte === CLOSE_BRACKET) {
      return NO_VALUE;
    }
  }
  if (at === bytes.length) return UNTERMINATED;
  return at === start ? NO_VALUE : at;
}

// The closing bracket expected at each depth. Scratch: written before it is read in every call.
const expected = new Uint8Array(1024);

function endOfNested(bytes: Buffer, start: number, maxDepth: number): number {
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      at = endOfString(bytes, at);
      if (at === -1) return UNTERMINATED;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      // The outer object is level 1.
      if (depth + 2 > maxDepth) return TOO_DEEP;
      expected[depth++] = byte + 2;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (expected[--depth] !== byte) return UNBALANCED;
      if (depth === 0) return at + 1;
    }
  }
  return UNTERMINATED;
}
