import type { Finding } from './findings.ts';

/** RFC 5321, section 4.5.3.1. */
const MAX_LOCAL = 64;
const MAX_DOMAIN = 255;

/** What an address may have before its "@" beside letters and digits (RFC 5322, atext); "=", "/", "?" and "&" end it: URLs have them. */
const LOCAL_MARKS = new Set([...".!#$%'*+-^_`{|}~"].map((mark) => mark.charCodeAt(0)));
/** Marks of which none begins an address: quotes, Markdown, code. */
const LEADING_MARKS = /^[.!#$%'*^`{|}~-]+/;
const LETTER = /[\p{L}\p{M}\p{N}]/u;
/** Scripts that put no blanks between words: an address in Latin letters ends where such a text begins. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const TOP_LEVEL = /^(?:\p{L}{2,63}|xn--[0-9a-z-]{1,59})$/iu;

type IsPart = (code: number) => boolean;

/**
 * Finds addresses: from each "@" (also U+FF20 and "%40") outwards, so that a long text without one costs a search, and one full
 * of them a bounded stretch each.
 */
export function findEmails(text: string, findings: Finding[]): void {
  if (!text.includes('@') && !text.includes('%40') && !text.includes('\uff20')) return;
  const at = /@|\uff20|%40/g;
  for (let found = at.exec(text); found !== null; found = at.exec(text)) {
    const start = startOfLocal(text, found.index);
    const behind = found.index + found[0].length;
    if (start === found.index) continue;
    const end = endOfDomain(text, behind);
    if (end > behind) findings.push({ start, end, kind: 'email' });
  }
}

function startOfLocal(text: string, end: number): number {
  const isPart = partsLike(text.charCodeAt(end - 1));
  let start = end;
  while (start > 0 && end - start < MAX_LOCAL) {
    const code = text.charCodeAt(start - 1);
    if (!isPart(code) && !LOCAL_MARKS.has(code)) break;
    start--;
  }
  return start + (LEADING_MARKS.exec(text.slice(start, end))?.[0].length ?? 0);
}

/** Where the longest domain name ends that starts at `start`; `start` when none does. */
function endOfDomain(text: string, start: number): number {
  const isPart = partsLike(text.charCodeAt(start));
  let end = start;
  while (end < text.length && end - start < MAX_DOMAIN) {
    const code = text.charCodeAt(end);
    if (!isPart(code) && code !== DOT && code !== HYPHEN) break;
    end++;
  }
  const labels = text.slice(start, end).split('.');
  const gap = labels.indexOf('');
  if (gap !== -1) labels.length = gap;
  // "example.com.2" and "example.com-" end before what is no top-level domain.
  while (labels.length > 1) {
    const last = labels.at(-1)!.replace(/-+$/, '');
    if (TOP_LEVEL.test(last)) return start + labels.slice(0, -1).join('.').length + 1 + last.length;
    labels.pop();
  }
  return start;
}

const DOT = 0x2e;
const HYPHEN = 0x2d;

/** Which characters go on with a word that has this one. */
function partsLike(code: number): IsPart {
  return code >= 0x80 && UNSPACED.test(String.fromCharCode(code)) ? isLetter : isSpacedLetter;
}

function isLetter(code: number): boolean {
  return code < 0x80 ? isAsciiAlphanumeric(code) : LETTER.test(String.fromCharCode(code));
}

function isSpacedLetter(code: number): boolean {
  return isLetter(code) && (code < 0x80 || !UNSPACED.test(String.fromCharCode(code)));
}

function isAsciiAlphanumeric(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}
