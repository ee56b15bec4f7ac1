import type { Comparison, GuardrailResult } from '../experiments/look.ts';

const SAID: Readonly<Record<GuardrailResult['state'], string>> = {
  violated: 'violated',
  passed: 'passed',
  open: 'still open',
  missing: 'not to be judged, since too little is measured of both arms',
};

/** What was held against a challenger's harm and what was not, in words: that nothing is violated says little where nothing was judged. */
export function guardsSaid({ guardrails, fastGuard, unguarded }: Comparison): string {
  const metricsIn = (state: GuardrailResult['state']) =>
    guardrails.filter((each) => each.state === state).map(({ metric }) => metric);
  const states = Object.keys(SAID) as GuardrailResult['state'][];
  const said = states.flatMap((state) => {
    const metrics = metricsIn(state);
    return metrics.length === 0 ? [] : [`${metrics.join(', ')} ${metrics.length === 1 ? 'is' : 'are'} ${SAID[state]}`];
  });
  const byGuardrails = guardrails.length === 0 ? 'there is no guardrail' : `of the guardrails ${said.join(', ')}`;
  return `${byGuardrails}; ${fastGuardSaid(fastGuard, unguarded)}`;
}

function fastGuardSaid(fastGuard: Comparison['fastGuard'], unguarded: Comparison['unguarded']): string {
  if (unguarded != null) return `no fast guard either: ${unguarded.replace(/\.$/, '')}`;
  if (fastGuard === null) return 'the fast guard is off, or has nothing to go by';
  if (fastGuard.fired) return 'the fast guard has fired';
  const against = fastGuard.kind === 'one_arm' ? "the champion's history" : 'the champion';
  return `the fast guard has found no more failing units than ${against} allows`;
}
