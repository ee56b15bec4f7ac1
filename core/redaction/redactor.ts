import { CUT, REDACTED, type SideFacts, WHOLE } from '#core/capture-facts.ts';
import type { RedactionPolicy } from '#core/snapshot/log-policy.ts';
import { labelOf } from './findings.ts';
import { redactJson } from './json.ts';
import { addPaths, emptyNode, type Places } from './paths.ts';
import { compilePattern, type PatternSearch } from './patterns.ts';
import { redactText, type TextRules } from './text.ts';

/**
 * Makes texts fit to be kept by one group's policy. Pure; compiled once with the snapshot.
 *
 * Looked at: the keys, strings and numbers of JSON, JSON inside of strings, and texts that are no JSON as a whole. Not looked
 * into: images, sound and files (base64), and token ids; name their paths to hide them.
 */
export interface Redactor {
  /**
   * A body as it is kept: up to `maxBytes` of it, redacted. Give it at least `maxBytes + LOOK_AHEAD_BYTES` bytes if there are so
   * many: what lies behind the cut tells whether something begins before it. What cannot be read (other text than UTF-8, texts in
   * pieces, and with a path policy all that is not JSON) gives `UNREADABLE`.
   */
  body(bytes: Buffer, maxBytes: number): RedactedBytes;
  text(text: string): string;
  /** A JSON value. */
  value(value: unknown): unknown;
}

/** What is kept of a body. */
export interface RedactedBytes {
  readonly bytes: Buffer;
  /** Among them `REDACTED` where the bytes are not the beginning of what was given. */
  readonly facts: SideFacts;
}

/** Longer matches than this may keep their beginning where a body is cut; only a pattern without a bound has such. */
export const LOOK_AHEAD_BYTES = 4_096;

const UNREADABLE_LABEL = labelOf('unreadable');

/** What stands for a body of which nothing may be kept, because nobody can say what is in it. */
export const UNREADABLE: RedactedBytes = { bytes: Buffer.from(UNREADABLE_LABEL), facts: REDACTED | CUT.unreadable };

/** Where providers repeat an answer token by token: an address in four pieces is still one. */
const TOKEN_PATHS = ['choices.*.logprobs', 'output.*.content.*.logprobs', 'candidates.*.logprobsresult'];

/** Events or JSON documents behind each other: a text may lie in pieces in them. */
const IN_PIECES = /^\ufeff?\s*(?:(?:data|event|id|retry)?:|\{.*\}[\t\r ]*\n\s*\{)/;

/**
 * Null for a policy that asks for nothing.
 * @throws TypeError when a pattern does not compile
 */
export function compileRedactor({ detectors, paths, patterns }: RedactionPolicy): Redactor | null {
  if (detectors.length + paths.length + patterns.length === 0) return null;
  const rules: TextRules = {
    email: detectors.includes('email'),
    phone: detectors.includes('phone'),
    card: detectors.includes('card'),
    iban: detectors.includes('iban'),
    patterns: patterns.map((pattern): PatternSearch => {
      const compiled = compilePattern(pattern);
      if (compiled.kind === 'bad') throw new TypeError(`the pattern "${pattern.name}" ${compiled.reason}`);
      return compiled.search;
    }),
  };
  const root = emptyNode();
  addPaths(root, paths, 'path');
  addPaths(root, TOKEN_PATHS, 'logprobs');
  return createRedactor(rules, [root], paths.length > 0);
}

function unreadable(maxBytes: number): RedactedBytes {
  const { bytes, facts } = UNREADABLE;
  return { bytes: bytes.subarray(0, maxBytes), facts };
}

function createRedactor(rules: TextRules, root: Places, hasPaths: boolean): Redactor {
  const redactBody = (bytes: Buffer, maxBytes: number): RedactedBytes => {
    const isWhole = bytes.length <= maxBytes;
    const text = bytes.toString('utf8', 0, isWhole ? bytes.length : maxBytes + LOOK_AHEAD_BYTES);
    // UTF-16, or no text at all.
    if (text.includes('\0')) return unreadable(maxBytes);
    const keep = isWhole ? text.length : bytes.toString('utf8', 0, maxBytes).length;
    const json = redactJson(text, rules, root, { keep, isStrict: hasPaths });
    if (json === null && (hasPaths || IN_PIECES.test(text))) return unreadable(maxBytes);
    const clean = Buffer.from(json ?? redactText(text, rules, keep));
    const kept = clean.subarray(0, maxBytes);
    // Labels may be longer than what they stand for.
    const isCut = !isWhole || kept.length < clean.length;
    const isSame = kept.equals(bytes.subarray(0, kept.length)) && (isCut || kept.length === bytes.length);
    return { bytes: kept, facts: (isCut ? CUT.limit : WHOLE) | (isSame ? WHOLE : REDACTED) };
  };
  const redactValue = (value: unknown): unknown => {
    const clean = redactJson(JSON.stringify(value), rules, root);
    return clean === null ? UNREADABLE_LABEL : JSON.parse(clean);
  };
  return {
    body: (bytes, maxBytes) => orUnreadable(() => redactBody(bytes, maxBytes), unreadable(maxBytes)),
    text: (text) => orUnreadable(() => redactText(text, rules), UNREADABLE_LABEL),
    value: (value) => orUnreadable(() => redactValue(value), UNREADABLE_LABEL),
  };
}

/** A defect in here, of the patterns' engine say, costs the text and not the record: its inference has begun and must end in the log. */
function orUnreadable<Kept>(redact: () => Kept, unreadable: Kept): Kept {
  try {
    return redact();
  } catch {
    return unreadable;
  }
}
