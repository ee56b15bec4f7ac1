import type { DigitRun } from './digit-runs.ts';
import type { Finding } from './findings.ts';

const MIN_DIGITS = 8;
/** ITU-T E.164: at most 15 digits with the country code. One more for the "(0)" that some write behind it. */
const MAX_INTERNATIONAL = 16;
const MAX_NATIONAL = 12;
const MAX_GROUPS = 8;
/** A number that starts inside a run starts behind a blank, and one that ends inside of it ends before one. */
const BLANK = /[ \t\u00a0\u2009\u202f]/;
const TWO_BLANKS = /[ \t\u00a0\u2009\u202f]{2}/;

/**
 * Finds telephone numbers among the groups of a run. International: "+" or "00" and 8 to 15 digits, grouped or not. National: the
 * North American (NXX) NXX-XXXX in groups; with the trunk prefix 0, 8 to 12 digits in groups or 10 to 11 in one piece. Digits in
 * one piece without such a prefix are ids and timestamps as often, and are left alone.
 */
export function findPhones(text: string, run: DigitRun, findings: Finding[]): void {
  const { digits, starts, ends, counts } = run;
  for (let first = 0; first < starts.length; first++) {
    const hasPlus = hasPlusBefore(text, starts[first]!);
    if (!hasPlus && digits[counts[first]!] !== '0' && endOfNorthAmerican(run, first) === -1) continue;
    const start = startOfNumber(text, run, first, hasPlus);
    if (start === -1) continue;
    const last = lastOfNumber(text, run, first, hasPlus);
    if (last === -1) continue;
    const end = ends[last]!;
    // A parenthesis belongs to the number when it is closed in it.
    const isOpened = text[start] === '(' && !text.slice(start, end).includes(')');
    findings.push({ start: isOpened ? start + 1 : start, end, kind: 'phone' });
    first = last;
  }
}

function hasPlusBefore(text: string, start: number): boolean {
  return text[start - 1] === '+' || (text[start - 1] === '(' && text[start - 2] === '+');
}

/** Where a number starts, its plus sign and parenthesis included; -1 where none can. */
function startOfNumber(text: string, { starts, ends }: DigitRun, first: number, hasPlus: boolean): number {
  const marked = text[starts[first]! - 1] === '(' ? starts[first]! - 1 : starts[first]!;
  // "1+2" is a sum.
  if (hasPlus) return /[\p{L}\p{N}_]/u.test(text[marked - 2] ?? '') ? -1 : marked - 1;
  if (first > 0 && !BLANK.test(text.slice(ends[first - 1], starts[first]))) return -1;
  return /[\p{L}\p{N}_.\-/#@]/u.test(text[marked - 1] ?? '') ? -1 : marked;
}

/** The last group of the longest number from `first` on; -1 when there is none. */
function lastOfNumber(text: string, run: DigitRun, first: number, hasPlus: boolean): number {
  const { starts, ends } = run;
  let last = first;
  while (last + 1 < starts.length && last - first < MAX_GROUPS - 1) {
    if (TWO_BLANKS.test(text.slice(ends[last], starts[last + 1]))) break;
    last++;
  }
  for (; last >= first; last--) {
    const isInside = last < starts.length - 1;
    const behind = isInside ? text.slice(ends[last], starts[last + 1]) : (text[ends[last]!] ?? '');
    const canEnd = isInside ? BLANK.test(behind) : hasPlus || !/[\p{L}_@]/u.test(behind);
    if (canEnd && isNumber(run, first, last, hasPlus)) return last;
  }
  return -1;
}

function isNumber(run: DigitRun, first: number, last: number, hasPlus: boolean): boolean {
  const { digits, counts } = run;
  const from = counts[first]!;
  const count = counts[last + 1]! - from;
  const firstGroup = counts[first + 1]! - from;
  if (hasPlus) return digits[from] !== '0' && isBetween(count, MIN_DIGITS, MAX_INTERNATIONAL);
  if (digits[from] !== '0') return endOfNorthAmerican(run, first) === last;
  if (firstGroup < 2) return false;
  if (digits[from + 1] === '0') return digits[from + 2] !== '0' && isBetween(count - 2, 9, MAX_INTERNATIONAL);
  if (first === last) return isBetween(count, 10, 11);
  return isBetween(count, MIN_DIGITS, MAX_NATIONAL) && !startsWithDate(run, first);
}

/** 31.12.2024, 12/31/2024: two, two and four digits that a date can have. */
function startsWithDate({ digits, counts }: DigitRun, first: number): boolean {
  const from = counts[first]!;
  if (counts[first + 1] !== from + 2 || counts[first + 2] !== from + 4 || counts[first + 3] !== from + 8) return false;
  return /^[0-3]\d[0-3]\d(?:19|20)/.test(digits.slice(from, from + 8));
}

/** 555-123-4567 and 1 (555) 123-4567: area and exchange begin with 2 to 9 (NANPA). Gives the last group; -1 when it is none. */
function endOfNorthAmerican({ digits, counts }: DigitRun, first: number): number {
  const isLong = digits[counts[first]!] === '1' && counts[first + 1] === counts[first]! + 1;
  const area = isLong ? first + 1 : first;
  const from = counts[area]!;
  const isGrouped = counts[area + 1] === from + 3 && counts[area + 2] === from + 6 && counts[area + 3] === from + 10;
  return isGrouped && digits[from]! > '1' && digits[from + 3]! > '1' ? area + 2 : -1;
}

function isBetween(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}
