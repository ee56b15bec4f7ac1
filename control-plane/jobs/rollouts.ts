import type { RolloutEngine } from '../rollout/engine.ts';
import type { Job } from './scheduler.ts';

/** Drives the rollouts while this process leads. */
export function createRolloutsJob({
  engine,
  everyMs,
}: {
  readonly engine: RolloutEngine;
  readonly everyMs: number;
}): Job {
  return { name: 'rollouts', everyMs, run: (signal) => engine.round(signal) };
}
