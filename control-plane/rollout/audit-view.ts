import { EMPTY_MEMORY } from '#core/rollout/memory.ts';
import type { RolloutRow } from '#store/rollouts.ts';

/** A rollout as its audit entries show it. */
export function auditView({ name, state, reason, phase, version, memory }: RolloutRow) {
  const { pause } = { ...EMPTY_MEMORY, ...memory };
  return { name, state, reason, phase, version, paused: pause !== null };
}
