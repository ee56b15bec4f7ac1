import { findCards, MIN_CARD_DIGITS } from './card.ts';
import { type DigitRun, visitDigits } from './digit-runs.ts';
import { findEmails } from './email.ts';
import { type Finding, replaceFindings } from './findings.ts';
import { findIban } from './iban.ts';
import type { PatternSearch } from './patterns.ts';
import { findPhones } from './phone.ts';

/** What is looked for in every text. */
export interface TextRules {
  readonly email: boolean;
  readonly phone: boolean;
  readonly card: boolean;
  readonly iban: boolean;
  readonly patterns: readonly PatternSearch[];
}

/** The escapes of printable ASCII, but of the quote and the backslash, in JSON that is itself text. */
const ESCAPED = /\\u00(2[013-9a-f]|[346][0-9a-f]|5[0-9abd-f]|7[0-9a-e])/gi;

/** Everything that the rules find, in no order. */
export function findAll(text: string, rules: TextRules): Finding[] {
  const findings: Finding[] = [];
  if (rules.email) findEmails(text, findings);
  if (rules.card || rules.phone || rules.iban) {
    visitDigits(text, {
      group: rules.iban ? (start, end) => findIban(text, start, end, findings) : null,
      run: rules.card || rules.phone ? (run) => findInRun(text, run, rules, findings) : null,
    });
  }
  for (const search of rules.patterns) search(text, findings);
  return findings;
}

function findInRun(text: string, run: DigitRun, rules: TextRules, findings: Finding[]): void {
  if (rules.card) findCards(text, run, findings);
  if (rules.phone) findPhones(text, run, findings);
}

/**
 * The text without what the rules find, up to `keep` UTF-16 units of it; unchanged when they find nothing. What is only found when
 * escapes in the text are read (`alice\u0040example.com`) is found too: the text is then kept with these escapes read.
 */
export function redactText(text: string, rules: TextRules, keep = text.length): string {
  const findings = findAll(text, rules);
  if (!text.includes('\\u00')) return replaceFindings(text, findings, keep);
  const kept = keep >= text.length ? text : text.slice(0, keep);
  const plain = readEscapes(text);
  const found = plain === text ? [] : findAll(plain, rules);
  if (found.length === 0) return replaceFindings(text, findings, keep);
  const clean = replaceFindings(plain, found, readEscapes(kept).length);
  return replaceFindings(clean, findAll(clean, rules));
}

function readEscapes(text: string): string {
  return text.replace(ESCAPED, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** A JSON number as text when something is found in it, else null. Fractions are no cards; patterns look at every number. */
export function redactNumber(text: string, rules: TextRules): string | null {
  const card = rules.card && text.length >= MIN_CARD_DIGITS && !/[.eE]/.test(text);
  if (!card && rules.patterns.length === 0) return null;
  const findings = findAll(text, { email: false, phone: false, iban: false, card, patterns: rules.patterns });
  return findings.length === 0 ? null : replaceFindings(text, findings);
}
