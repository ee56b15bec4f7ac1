/**
 * Which generation of models a name stands for. Names are open-ended and aliases (`gemini-flash-latest`) point to the newest, so that only what
 * is known to be older counts as older. Sources: ai.google.dev, "Thought signatures" and "Gemini thinking" (read 2026-11).
 */
const OLDER = /(?:^|[/.])(?:gemini-[12](?:[.-]|$)|gemini-pro(?:-vision)?$|gemini-robotics-er-1\.5)/i;
const GEMINI = /(?:^|[/.])gemini-/i;

/** Gemini 3 and later: thinking levels, ids of function calls, signatures that calls must have. */
export function isGemini3(model: string): boolean {
  return GEMINI.test(model) && !OLDER.test(model);
}

/** The thinking budgets in tokens that models before Gemini 3 take; none of them is off at `min` where that is not 0. */
export function budgetRange(model: string): { readonly min: number; readonly max: number } {
  return /2\.5-pro/i.test(model) ? { min: 128, max: 32_768 } : { min: 0, max: 24_576 };
}

/** The thinking levels of Gemini 3 and later, rising. */
export function thinkingLevels(model: string): readonly string[] {
  return /-pro(?:-|$)/i.test(model) ? ['LOW', 'MEDIUM', 'HIGH'] : ['MINIMAL', 'LOW', 'MEDIUM', 'HIGH'];
}
