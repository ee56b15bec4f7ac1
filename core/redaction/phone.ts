import type { DigitRun } from './digit-runs.ts';
import type { Finding } from './findings.ts';

export const MIN_PHONE_DIGITS = 8;
/** ITU-T E.164: at most 15 digits with the country code. One more for the "(0)" that some write behind it. */
const MAX_INTERNATIONAL = 16;
const MAX_NATIONAL = 12;
const MAX_GROUPS = 8;
/** A number that starts inside a run starts behind a blank; so does what stands behind its end. */
const BLANK = /[ \t\u00a0\u2009\u202f]/;
const TWO_BLANKS = /[ \t\u00a0\u2009\u202f]{2}/;
const PLUS = 0x2b;

/**
 * Finds telephone numbers among the groups of a run. International: "+" or "00" and 8 to 15 digits, grouped or not. National: the
 * North American (NXX) NXX-XXXX in groups; with the trunk prefix 0, 8 to 12 digits in groups or 10 to 11 in one piece. Digits in
 * one piece without such a prefix are ids and timestamps as often, and are left alone.
 */
export function findPhones(text: string, run: DigitRun, findings: Finding[]): void {
  const { starts, ends } = run;
  for (let first = 0; first < starts.length; first++) {
    const lead = leadOf(text, run, first);
    if (lead === null) continue;
    for (let last = furthest(text, run, first); last >= first; last--) {
      if (!endsHere(text, run, last, lead) || !isPhone(text, run, first, last, lead)) continue;
      findings.push({ start: startOf(text, lead, ends[last]!), end: ends[last]!, kind: 'phone' });
      first = last;
      break;
    }
  }
}

/** The last group that may belong to a number: two blanks end it. */
function furthest(text: string, { starts, ends }: DigitRun, first: number): number {
  let last = first;
  while (last + 1 < starts.length && last - first < MAX_GROUPS - 1) {
    if (TWO_BLANKS.test(text.slice(ends[last], starts[last + 1]))) break;
    last++;
  }
  return last;
}

/** What stands before the first group. */
interface Lead {
  /** Where the number starts, its plus sign and parenthesis included. */
  readonly start: number;
  readonly hasPlus: boolean;
}

/** Null where no number can start. */
function leadOf(text: string, { starts, ends }: DigitRun, first: number): Lead | null {
  let start = starts[first]!;
  if (text[start - 1] === '(') start--;
  if (text.charCodeAt(start - 1) === PLUS) {
    // "1+2" is a sum.
    return /[\p{L}\p{N}_]/u.test(text[start - 2] ?? '') ? null : { start: start - 1, hasPlus: true };
  }
  if (first > 0 && !BLANK.test(text.slice(ends[first - 1], starts[first]))) return null;
  return /[\p{L}\p{N}_.\-/#@]/u.test(text[start - 1] ?? '') ? null : { start, hasPlus: false };
}

/** A parenthesis belongs to the number when it is closed in it. */
function startOf(text: string, { start }: Lead, end: number): number {
  return text[start] === '(' && !text.slice(start, end).includes(')') ? start + 1 : start;
}

function endsHere(text: string, { starts, ends }: DigitRun, last: number, { hasPlus }: Lead): boolean {
  const end = ends[last]!;
  if (last < starts.length - 1) return BLANK.test(text.slice(end, starts[last + 1]));
  return hasPlus || !/[\p{L}_@]/u.test(text[end] ?? '');
}

function isPhone(text: string, { starts, ends }: DigitRun, first: number, last: number, { hasPlus }: Lead): boolean {
  const groups: string[] = [];
  for (let i = first; i <= last; i++) groups.push(text.slice(starts[i], ends[i]));
  const digits = groups.join('');
  if (hasPlus) return digits[0] !== '0' && isBetween(digits.length, MIN_PHONE_DIGITS, MAX_INTERNATIONAL);
  if (groups[0]!.startsWith('00')) return digits[2] !== '0' && isBetween(digits.length - 2, 9, MAX_INTERNATIONAL);
  if (digits.startsWith('0')) return isTrunk(groups, digits);
  return isNorthAmerican(groups);
}

function isTrunk(groups: readonly string[], digits: string): boolean {
  if (digits[1] === '0' || groups[0]!.length < 2) return false;
  if (groups.length === 1) return isBetween(digits.length, 10, 11);
  return isBetween(digits.length, MIN_PHONE_DIGITS, MAX_NATIONAL) && !isDate(groups);
}

/** 31.12.2024, 12/31/2024: two, two and four digits that a date can have. */
function isDate([a, b, year]: readonly string[]): boolean {
  return a?.length === 2 && b?.length === 2 && /^(?:19|20)\d\d$/.test(year ?? '') && Number(a) <= 31 && Number(b) <= 31;
}

/** 555-123-4567 and 1 (555) 123-4567: area and exchange begin with 2 to 9 (NANPA numbering plan). */
function isNorthAmerican(groups: readonly string[]): boolean {
  const [area, exchange, line, ...rest] = groups[0] === '1' ? groups.slice(1) : groups;
  return rest.length === 0 && line?.length === 4 && /^[2-9]\d\d$/.test(area!) && /^[2-9]\d\d$/.test(exchange!);
}

function isBetween(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}
