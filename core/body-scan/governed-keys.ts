import { createEndOfLongString, loadSkipString } from './end-of-string.ts';
import type { ValueLimits } from './end-of-value.ts';
import { bad, decodeString, type ScanResult, type Span } from './result.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export interface ScanPlan extends ValueLimits {
  /** Governed keys; the result's spans have the same order. */
  readonly keys: readonly string[];
  readonly indexOfFolded: ReadonlyMap<string, number>;
  /** By length in bytes: the keys that a key without escapes and accents may be. */
  readonly candidates: readonly (readonly Candidate[])[];
  /** As many as keys; the result's spans start as a copy of it. */
  readonly absent: readonly undefined[];
  readonly longestKey: number;
}

interface Candidate {
  readonly index: number;
  readonly exact: Uint8Array;
  readonly folded: Uint8Array;
}

const endOfLongStringHere = createEndOfLongString(loadSkipString());

/** Prepares a scan for a set of keys. `endOfLongString` is for tests: the verdict does not depend on it. */
export function planScan(keys: readonly string[], maxDepth = 128, endOfLongString = endOfLongStringHere): ScanPlan {
  const indexOfFolded = new Map(keys.map((key, index) => [fold(key), index]));
  const candidates: Candidate[][] = [];
  for (const [text, index] of indexOfFolded) {
    const folded = Buffer.from(text);
    for (let length = candidates.length; length <= folded.length; length++) candidates.push([]);
    candidates[folded.length]!.push({ index, exact: Buffer.from(keys[index]!), folded });
  }
  return {
    keys,
    indexOfFolded,
    candidates,
    absent: keys.map(() => undefined),
    longestKey: Math.max(...keys.map((key) => key.length)),
    maxDepth,
    endOfLongString,
  };
}

// Every character of a key may be written as \uXXXX.
const ESCAPED_WIDTH = 6;
/** Longer keys, and such with escapes or bytes beyond ASCII, are rare and decoded before comparing. */
const MAX_PLAIN_KEY_BYTES = 64;

/** The end of a key that is short ASCII without escapes; -1 for every other one. */
export function endOfPlainKey(bytes: Buffer, start: number): number {
  const limit = Math.min(start + MAX_PLAIN_KEY_BYTES, bytes.length);
  for (let at = start; at < limit; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH || byte >= 0x80) return -1;
  }
  return -1;
}

/** Keeps the span of a governed key, or says why the key is refused. Creates nothing for other keys. */
export function notePlain(
  bytes: Buffer,
  keyStart: number,
  keyEnd: number,
  start: number,
  end: number,
  plan: ScanPlan,
  spans: (Span | undefined)[],
): ScanResult | null {
  const candidates = plan.candidates[keyEnd - keyStart];
  if (candidates === undefined) return null;
  for (let i = 0; i < candidates.length; i++) {
    const { index, exact, folded } = candidates[i]!;
    if (!isFolded(bytes, keyStart, folded)) continue;
    if (spans[index] !== undefined || !isExact(bytes, keyStart, exact)) {
      return noteAny(bytes, keyStart, keyEnd, start, end, plan, spans);
    }
    spans[index] = { start, end };
    return null;
  }
  return null;
}

function isFolded(bytes: Buffer, at: number, folded: Uint8Array): boolean {
  for (let i = 0; i < folded.length; i++) {
    const byte = bytes[at + i]!;
    if ((byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte) !== folded[i]) return false;
  }
  return true;
}

function isExact(bytes: Buffer, at: number, exact: Uint8Array): boolean {
  for (let i = 0; i < exact.length; i++) if (bytes[at + i] !== exact[i]) return false;
  return true;
}

/** The same for any key, by its decoded text. */
export function noteAny(
  bytes: Buffer,
  keyStart: number,
  keyEnd: number,
  start: number,
  end: number,
  plan: ScanPlan,
  spans: (Span | undefined)[],
): ScanResult | null {
  if (keyEnd - keyStart > plan.longestKey * ESCAPED_WIDTH) return null;
  const key = decodeKey(bytes, keyStart, keyEnd);
  if (key === null) return bad(`The key at byte ${keyStart} is not a valid JSON string.`);
  const index = plan.indexOfFolded.get(fold(key));
  if (index === undefined) return null;
  const name = plan.keys[index]!;
  if (key !== name) return bad(`The key "${key}" differs from "${name}" only in case; write "${name}".`, name);
  if (spans[index] !== undefined) return bad(`The key "${name}" appears twice; send it once.`, name);
  spans[index] = { start, end };
  return null;
}

function decodeKey(bytes: Buffer, start: number, end: number): string | null {
  for (let i = start; i < end; i++) {
    if (bytes[i] === BACKSLASH) return decodeString(bytes, { start: start - 1, end: end + 1 });
  }
  return bytes.toString('utf8', start, end);
}

function fold(key: string): string {
  return key.toLowerCase().replaceAll('\u017f', 's');
}
