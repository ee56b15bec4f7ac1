import type { Line } from './row.ts';

export type Verdict = 'yes' | 'no' | 'not yet' | '–';

/**
 * Whether a line meets its target. A remark that begins with "not yet" is about something that Ringside does not do, so
 * that its figure, if there is one, is not judged; what could not be measured is not judged either.
 */
export function verdictOf({ compared, target, remark }: Line): Verdict {
  if (remark?.startsWith('not yet') === true) return 'not yet';
  if (compared === null || target === null || Number.isNaN(compared)) return '–';
  const met = 'atLeast' in target ? compared >= target.atLeast : compared <= target.atMost;
  return met ? 'yes' : 'no';
}
