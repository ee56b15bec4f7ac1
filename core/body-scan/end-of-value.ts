import { type EndOfLongString, endOfString } from './end-of-string.ts';

// These stand in each file: imported constants are read from memory, which cost the walk a fifth.
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

export interface ValueLimits {
  /** Deepest nesting allowed, the outer object included. */
  readonly maxDepth: number;
  readonly endOfLongString: EndOfLongString;
}

const UNTERMINATED = -1;
const UNBALANCED = -2;
const TOO_DEEP = -3;
const NO_VALUE = -4;

/** The message for a fault of `endOfValue`. */
export function describeValueFault(fault: number, start: number, maxDepth: number): string {
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
export function endOfValue(bytes: Buffer, start: number, { maxDepth, endOfLongString }: ValueLimits): number {
  const first = bytes[start];
  if (first === QUOTE) {
    const end = endOfString(bytes, start, endOfLongString);
    return end === -1 ? UNTERMINATED : end + 1;
  }
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfNested(bytes, start, maxDepth, endOfLongString);
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

function endOfNested(bytes: Buffer, start: number, maxDepth: number, endOfLongString: EndOfLongString): number {
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      at = endOfString(bytes, at, endOfLongString);
      if (at === -1) return UNTERMINATED;
      continue;
    }
    // The bits that the four brackets share: commas, colons, spaces and digits leave here.
    if ((byte & 0xd9) !== 0x59) continue;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
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
