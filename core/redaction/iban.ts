import type { Finding } from './findings.ts';

/** Length by country (ISO 13616; SWIFT's IBAN registry). */
const COUNTRIES = (
  'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 ' +
  'FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 ' +
  'LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 ' +
  'SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
).split(' ');
/** The same by the two letters; 0 where no country has them. */
const LENGTHS = new Uint8Array(26 * 26);
for (const entry of COUNTRIES) LENGTHS[indexOf(entry.charCodeAt(0), entry.charCodeAt(1))] = Number(entry.slice(2));
const SEPARATOR = /[ \u00a0\u2009\u202f.\-\u2010-\u2013]/;
const ALPHANUMERIC = /[0-9A-Za-z]/;

/**
 * Finds the account number whose check digits begin the group `[digits, end)`, in either case, in one piece or in groups: before them
 * stand the two letters of a country. The check decides, not what stands around.
 */
export function findIban(text: string, digits: number, end: number, findings: Finding[]): void {
  if (end - digits < 2) return;
  const start = (isLetter(text.charCodeAt(digits - 1)) ? digits : digits - 1) - 2;
  if (start < 0 || !isLetter(text.charCodeAt(start)) || !isLetter(text.charCodeAt(start + 1))) return;
  if (start + 2 < digits && !SEPARATOR.test(text[start + 2]!)) return;
  const last = endOfIban(text, start);
  if (last !== -1) findings.push({ start, end: last, kind: 'iban' });
}

/** Where two letters have their place, in either case. */
function indexOf(first: number, second: number): number {
  return ((first | 32) - 97) * 26 + (second | 32) - 97;
}

function isLetter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

/** Where the account number ends that starts at `start`; -1 when none does. */
function endOfIban(text: string, start: number): number {
  const length = LENGTHS[indexOf(text.charCodeAt(start), text.charCodeAt(start + 1))]!;
  if (length === 0) return -1;
  let iban = '';
  let at = start;
  while (iban.length < length) {
    const mark = text[at];
    if (mark === undefined) return -1;
    if (ALPHANUMERIC.test(mark)) iban += mark;
    else if (!SEPARATOR.test(mark) || !ALPHANUMERIC.test(text[at + 1] ?? '')) return -1;
    at++;
  }
  return hasIbanCheck(iban) ? at : -1;
}

/** The check of ISO 7064 (MOD 97-10) on an account number without separators. */
export function hasIbanCheck(iban: string): boolean {
  let rest = 0;
  for (const mark of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(mark, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}
