import { endOfString } from './body-scan/end-of-string.ts';
import { describeValueFault, endOfValue } from './body-scan/end-of-value.ts';
import { endOfPlainKey, noteAny, notePlain, type ScanPlan } from './body-scan/governed-keys.ts';
import { bad, type ScanResult, type Span } from './body-scan/result.ts';

export { planScan, type ScanPlan } from './body-scan/governed-keys.ts';
export { decodeString, type Span } from './body-scan/result.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

// hot
/**
 * Finds governed keys at the top level of a JSON object without parsing it: one pass over the bytes that jumps over
 * strings and checks structure only (one object, balanced, nothing behind it). What lies deeper is the reader's to
 * judge. A parser differential must not carry a key past us: escaped keys are decoded before comparing, and a governed key
 * that appears twice or in another case is refused. Case is folded as Go's encoding/json folds it (U+017F is "s", U+212A "k").
 */
export function scanBody(bytes: Buffer, plan: ScanPlan): ScanResult {
  const spans: (Span | undefined)[] = [...plan.absent];
  const open = skipSpace(bytes, 0);
  if (open === bytes.length) return bad('The request body is empty; send one JSON object.');
  if (bytes[open] !== OPEN_BRACE) return bad('The request body must be one JSON object.');
  let at = skipSpace(bytes, open + 1);
  if (bytes[at] === CLOSE_BRACE) at++;
  else {
    for (;;) {
      if (bytes[at] !== QUOTE) return bad(`Expected a key in double quotes at byte ${at}.`);
      const keyStart = at + 1;
      const plainEnd = endOfPlainKey(bytes, keyStart);
      const keyEnd = plainEnd === -1 ? endOfString(bytes, at, plan.endOfLongString) : plainEnd;
      if (keyEnd === -1) return bad('The request body ends inside a string.');
      at = skipSpace(bytes, keyEnd + 1);
      if (bytes[at] !== COLON) return bad(`Expected ":" at byte ${at}.`);
      const start = skipSpace(bytes, at + 1);
      at = endOfValue(bytes, start, plan);
      if (at < 0) return bad(describeValueFault(at, start, plan.maxDepth));
      const refusal =
        plainEnd === -1
          ? noteAny(bytes, keyStart, keyEnd, start, at, plan, spans)
          : notePlain(bytes, keyStart, keyEnd, start, at, plan, spans);
      if (refusal !== null) return refusal;
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

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  for (; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
  }
  return at;
}
