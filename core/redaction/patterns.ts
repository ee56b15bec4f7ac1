import { RE2JS } from 're2js';
import { reasonOf } from '#core/reason.ts';
import type { Finding } from './findings.ts';

/** A pattern of an operator's, as log-policy.ts holds it. */
export interface NamedPattern {
  readonly name: string;
  readonly pattern: string;
}

/** What a pattern finds in a text, added to `findings`. */
export type PatternSearch = (text: string, findings: Finding[]) => void;

export type CompiledPattern =
  | { readonly kind: 'ok'; readonly search: PatternSearch; readonly instructions: number }
  /** `reason` completes "the pattern …". */
  | { readonly kind: 'bad'; readonly reason: string };

/** RE2's time for one match grows with the text times the program; counted repeats (`.{1000}`) make large programs. */
const MAX_INSTRUCTIONS = 200;
const MAX_INSTRUCTIONS_TOGETHER = 1_000;
/**
 * Finding all matches of `a.*z|a` in a text of "a" reads to its end for each of them: the square of its length. So a match is looked
 * for in a window, and there is a bound on how many are: beyond it the rest of the text is hidden.
 */
const WINDOW = 8_192;
/** A match that reaches over the end of its window is looked for again from its start, or from so far before the end. */
const OVERLAP = 4_096;
const MAX_WORK = 5_000;

/** Compiles one pattern in RE2's syntax. */
export function compilePattern({ name, pattern }: NamedPattern): CompiledPattern {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    return { kind: 'bad', reason: `is no RE2 pattern: ${reasonOf(error)}` };
  }
  const instructions = compiled.programSize();
  if (instructions > MAX_INSTRUCTIONS) {
    return { kind: 'bad', reason: `is too large: ${instructions} instructions, at most ${MAX_INSTRUCTIONS}` };
  }
  if (compiled.testExact('')) return { kind: 'bad', reason: 'matches the empty text' };
  return { kind: 'ok', search: searchWith(compiled, name, Math.floor(MAX_WORK / instructions)), instructions };
}

function searchWith(compiled: RE2JS, kind: string, maxMatches: number): PatternSearch {
  return (text, findings) => {
    // Most texts have none, and this runs on the DFA: 6 to 80 times as fast.
    if (!compiled.test(text)) return;
    let matches = 0;
    for (let at = 0; at < text.length; ) {
      const end = Math.min(text.length, at + WINDOW);
      const isLast = end === text.length;
      const matcher = compiled.matcher(isLast ? text : text.slice(0, end));
      if (!matcher.find(at)) {
        if (isLast) return;
        at = end - OVERLAP;
        continue;
      }
      const [from, to] = [matcher.start(), matcher.end()];
      if (to === end && !isLast && from > at) {
        at = from;
        continue;
      }
      if (++matches > maxMatches) return void findings.push({ start: from, end: text.length, kind });
      if (to > from) findings.push({ start: from, end: to, kind });
      at = Math.max(to, from + 1);
    }
  };
}

/** Why these patterns cannot be used, by their index; empty when they can. */
export function patternFaults(patterns: readonly NamedPattern[]): { index: number; reason: string }[] {
  const faults: { index: number; reason: string }[] = [];
  let together = 0;
  for (const [index, pattern] of patterns.entries()) {
    const compiled = compilePattern(pattern);
    if (compiled.kind === 'bad') {
      faults.push({ index, reason: compiled.reason });
      continue;
    }
    together += compiled.instructions;
    if (together <= MAX_INSTRUCTIONS_TOGETHER) continue;
    const reason = `is one too many: ${together} instructions together, at most ${MAX_INSTRUCTIONS_TOGETHER}`;
    faults.push({ index, reason });
  }
  return faults;
}
