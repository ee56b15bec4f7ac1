import type { DigitRun } from './digit-runs.ts';
import type { Finding } from './findings.ts';

export const MIN_CARD_DIGITS = 13;
const MAX_CARD_DIGITS = 19;
/** What the groups of one number have between them, at most two of it: blanks, dots, dashes. */
const BETWEEN = new Set([...' \t\u00a0\u2007\u2009\u202f.-\u2010\u2011\u2012\u2013'].map((mark) => mark.charCodeAt(0)));
const MAX_BETWEEN = 2;
interface Issuer {
  /** First and last prefix, of the same length. */
  readonly from: string;
  readonly to: string;
  readonly lengths: readonly number[];
}

const LONG = [16, 17, 18, 19] as const;
const MAESTRO = [13, 14, 15, 16, 17, 18, 19] as const;

/**
 * Prefixes of the card schemes (ISO/IEC 7812; the schemes' public BIN tables). UATP (1…) is left out: it would make cards of
 * timestamps in microseconds.
 */
const ISSUERS: readonly Issuer[] = [
  { from: '2200', to: '2204', lengths: LONG }, // Mir
  { from: '2221', to: '2720', lengths: [16] }, // Mastercard
  { from: '300', to: '305', lengths: [14, 15, ...LONG] }, // Diners Club
  { from: '309', to: '309', lengths: [14, 15, ...LONG] },
  { from: '36', to: '36', lengths: [14, 15, ...LONG] },
  { from: '38', to: '39', lengths: [14, 15, ...LONG] },
  { from: '34', to: '34', lengths: [15] }, // American Express
  { from: '37', to: '37', lengths: [15] },
  { from: '3528', to: '3589', lengths: LONG }, // JCB
  { from: '4', to: '4', lengths: [13, 16, 19] }, // Visa
  { from: '50', to: '50', lengths: MAESTRO }, // Maestro, Verve, RuPay, Dankort
  { from: '51', to: '55', lengths: [16] }, // Mastercard
  { from: '56', to: '58', lengths: MAESTRO },
  { from: '60', to: '60', lengths: LONG }, // Discover, RuPay
  { from: '62', to: '62', lengths: LONG }, // UnionPay
  { from: '6304', to: '6304', lengths: MAESTRO },
  { from: '636', to: '639', lengths: MAESTRO }, // InterPayment, InstaPayment, Elo, Maestro
  { from: '644', to: '649', lengths: LONG }, // Discover
  { from: '65', to: '65', lengths: LONG },
  { from: '67', to: '67', lengths: MAESTRO },
  { from: '81', to: '82', lengths: LONG }, // UnionPay, RuPay
  { from: '8600', to: '8600', lengths: [16] }, // Uzcard
  { from: '9792', to: '9792', lengths: [16] }, // Troy
  { from: '9860', to: '9860', lengths: [16] }, // Humo
];

const PREFIX_DIGITS = 4;
/** By the first four digits: bit n is set where a number of n digits begins so. */
const LENGTHS = compileIssuers();

function compileIssuers(): Uint32Array {
  const table = new Uint32Array(10 ** PREFIX_DIGITS);
  for (const { from, to, lengths } of ISSUERS) {
    const bits = lengths.reduce((mask, length) => mask | (1 << length), 0);
    const last = Number(to.padEnd(PREFIX_DIGITS, '9'));
    for (let prefix = Number(from.padEnd(PREFIX_DIGITS, '0')); prefix <= last; prefix++) table[prefix]! |= bits;
  }
  return table;
}

/** Finds card numbers among the groups of a run: the longest from each group on, so that an expiry date behind one does not hide it. */
export function findCards(text: string, { digits, starts, ends, counts }: DigitRun, findings: Finding[]): void {
  if (digits.length < MIN_CARD_DIGITS) return;
  for (let first = 0; first < starts.length; first++) {
    const from = counts[first]!;
    const lengths = LENGTHS[Number(digits.slice(from, from + PREFIX_DIGITS))]!;
    // Nor is one what stands behind a decimal point.
    if (lengths === 0 || (first > 0 && text[starts[first]! - 1] === '.')) continue;
    let found = -1;
    for (let last = first; last < starts.length; last++) {
      if (last > first && !isOneNumber(text, ends[last - 1]!, starts[last]!)) break;
      const count = counts[last + 1]! - from;
      if (count > MAX_CARD_DIGITS) break;
      if ((lengths & (1 << count)) !== 0 && hasLuhnDigit(digits.slice(from, from + count))) found = last;
    }
    if (found === -1) continue;
    findings.push({ start: starts[first]!, end: ends[found]!, kind: 'card' });
    first = found;
  }
}

function isOneNumber(text: string, end: number, start: number): boolean {
  if (start - end > MAX_BETWEEN) return false;
  for (let at = end; at < start; at++) if (!BETWEEN.has(text.charCodeAt(at))) return false;
  return true;
}

/** Whether these digits have a scheme's prefix and length and the right check digit. */
export function isCardNumber(digits: string): boolean {
  const lengths = LENGTHS[Number(digits.slice(0, PREFIX_DIGITS))] ?? 0;
  return digits.length <= MAX_CARD_DIGITS && (lengths & (1 << digits.length)) !== 0 && hasLuhnDigit(digits);
}

/** The check digit of ISO/IEC 7812-1, annex B. */
export function hasLuhnDigit(digits: string): boolean {
  let sum = 0;
  for (let fromEnd = 0; fromEnd < digits.length; fromEnd++) {
    const digit = digits.charCodeAt(digits.length - 1 - fromEnd) - 0x30;
    const value = fromEnd % 2 === 0 ? digit : digit * 2;
    sum += value > 9 ? value - 9 : value;
  }
  return sum % 10 === 0;
}
