/**
 * What is known of one side of an inference beside the bytes that were kept of it: how they differ from what was sent, or why there
 * are none. Bits of a small integer, so that a record carries them at no cost:
 *
 *     bit 6 = 0   something is kept; bit 0: it was redacted, bits 1 to 4: why its end or a part of it is missing
 *     bit 6 = 1   nothing is kept; bits 0 to 5 are a place in MISSING_REASONS
 */
export type SideFacts = number;

/** All that was sent, byte for byte. */
export const WHOLE: SideFacts = 0;
/** Not the bytes that were sent: something was taken out, or a stream is kept as the message that it makes. */
export const REDACTED: SideFacts = 1;

/** Why what is kept is not all of its side. */
export const CUT = {
  /** It is longer than the group's `capture.maxBytes`. */
  limit: 2,
  /** Parts of a stream did not fit into the message that it makes, or could not be read. */
  reassembly: 4,
  /** Where redaction is on: nobody can say what is in it, so a label stands for it. */
  unreadable: 8,
  /** The side itself did not come to its end. */
  interrupted: 16,
} as const satisfies Record<string, SideFacts>;
export type CutReason = keyof typeof CUT;
export const CUT_REASONS = Object.keys(CUT) as [CutReason, ...CutReason[]];

/** Why nothing is kept of a side. Stored by its place: new ones go behind. */
export const MISSING_REASONS = [
  /** The group's `capture.mode` is `none`. */
  'capture_off',
  /** It is `sampled`, and this inference was not drawn. */
  'not_sampled',
  /** The spool was full, and the group's policy `metadata-only`. */
  'spool_full',
  /** The caller left before an answer had begun. */
  'no_answer',
  /** The gateway died before it was written. */
  'interrupted',
  /** It is no text: sound, an image, a form with files in it. */
  'binary',
] as const;
export type MissingReason = (typeof MISSING_REASONS)[number];

const IS_MISSING = 64;
const SIDE_BITS = 7;
const SIDE_MASK = 127;
const KEPT_BITS = REDACTED | CUT.limit | CUT.reassembly | CUT.unreadable | CUT.interrupted;

/** The facts of a side of which nothing is kept. */
export function missingFacts(why: MissingReason): SideFacts {
  return IS_MISSING | MISSING_REASONS.indexOf(why);
}

const SPOOL_FULL = missingFacts('spool_full');
const NO_ANSWER = missingFacts('no_answer');
const BINARY = missingFacts('binary');

/** The facts of an answer that did not come to its end, or of one of which nothing came. */
export function interruptedFacts(facts: SideFacts, hasBegun: boolean): SideFacts {
  if (isMissing(facts)) return facts;
  return hasBegun ? facts | CUT.interrupted : NO_ANSWER;
}

/** The facts of a side that the spool had no room for: what would not have been kept anyway has its own reason. */
export function spoolFullFacts(facts: SideFacts = WHOLE): SideFacts {
  return isMissing(facts) ? facts : SPOOL_FULL;
}

/** The facts of an answer whose gateway died: of the pieces that were there already, if any. By the policy both sides are kept or neither is. */
export function unendedFacts(request: SideFacts, hasPieces: boolean): SideFacts {
  if (hasPieces) return CUT.interrupted;
  return isMissing(request) && request !== BINARY ? request : missingFacts('interrupted');
}

/** Both sides as the log's column has them (14 bits); null where a release wrote the record that did not say. */
export function packFacts(request: SideFacts | undefined, response: SideFacts | undefined): number | null {
  if (request === undefined || response === undefined) return null;
  return (request & SIDE_MASK) | ((response & SIDE_MASK) << SIDE_BITS);
}

/** What the facts of a side say. */
export type SideReading =
  | { readonly kind: 'missing'; readonly why: MissingReason }
  | { readonly kind: 'kept'; readonly isRedacted: boolean; readonly cutBy: readonly CutReason[] };

/** Reads one side back; undefined when nothing is known, or a later release said what this one does not know. */
export function readFacts(packed: number | null, side: 'request' | 'response'): SideReading | undefined {
  if (packed === null) return undefined;
  const facts = (side === 'request' ? packed : packed >> SIDE_BITS) & SIDE_MASK;
  if (isMissing(facts)) {
    const why = MISSING_REASONS[facts & ~IS_MISSING];
    return why === undefined ? undefined : { kind: 'missing', why };
  }
  if ((facts & ~KEPT_BITS) !== 0) return undefined;
  return {
    kind: 'kept',
    isRedacted: (facts & REDACTED) !== 0,
    cutBy: CUT_REASONS.filter((reason) => (facts & CUT[reason]) !== 0),
  };
}

/** Whether nothing is kept of a side. */
export function isMissing(facts: SideFacts): boolean {
  return (facts & IS_MISSING) !== 0;
}
