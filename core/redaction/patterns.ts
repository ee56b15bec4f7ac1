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

/**
 * RE2's time grows with the text times the program, and programs with counted repeats (`.{1000}` is a thousand
 * instructions). Within these bounds the worst text holds a serving thread for milliseconds a KB, usual patterns for microseconds
 * (docs/decisions/0015-redaction.md).
 */
const MAX_INSTRUCTIONS = 500;
const MAX_INSTRUCTIONS_TOGETHER = 2_000;

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
  return { kind: 'ok', search: searchWith(compiled, name), instructions };
}

function searchWith(compiled: RE2JS, kind: string): PatternSearch {
  return (text, findings) => {
    const matcher = compiled.matcher(text);
    while (matcher.find()) {
      const [start, end] = [matcher.start(), matcher.end()];
      if (end > start) findings.push({ start, end, kind });
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
