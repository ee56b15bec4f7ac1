/**
 *   draft ──start──▶ shadow ──pairs are fine──▶ ramping ──last step──▶ holding ──▶ deciding ──▶ promoted
 *     └──start, no shadow──────────────────────▲   │           │          │    └──▶ inconclusive
 *                                                  └───────────┴──────────┴──▶ rolled_back
 *   A ramp whose time is over goes to deciding, too. Any of the first five ──abort──▶ aborted.
 *
 * A pause is not a state: it stops the clock of the state that it is in (`memory.pause`). core/rollout/machine.ts owns the transitions.
 */
export const ROLLOUT_STATES = [
  'draft',
  'shadow',
  'ramping',
  'holding',
  'deciding',
  'promoted',
  'rolled_back',
  'inconclusive',
  'aborted',
] as const;
export type RolloutState = (typeof ROLLOUT_STATES)[number];

export const ENDED_STATES = ['promoted', 'rolled_back', 'inconclusive', 'aborted'] as const satisfies RolloutState[];

export function hasEnded(state: RolloutState): boolean {
  return (ENDED_STATES as readonly RolloutState[]).includes(state);
}
