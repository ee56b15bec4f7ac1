import { type ExperimentDefinition, experimentDefinitionSchema } from '#core/experiments/definition.ts';
import type { Look, Observation } from '#core/experiments/look.ts';
import { attemptWithin } from '#store/attempt-within.ts';
import { lastLook } from '#store/experiment-looks.ts';
import type { Tx } from '#store/pool.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import { Problem } from '../problem.ts';
import { observe } from './observe.ts';

/** core/experiments/look-at.ts */
export type LookAt = (definition: ExperimentDefinition, observation: Observation) => Look;

/** What a look that somebody waits for may take, in all: half of what a query may before it counts as an outage. */
const LIMIT_MS = 5_000;
const RETRY_AFTER_S = 60;

/** What is known of an experiment at this moment, or what was at the last look that was kept. */
export type LookNow =
  | { readonly kind: 'fresh'; readonly look: Look; readonly observation: Observation }
  | { readonly kind: 'stale'; readonly look: Look; readonly stale: { readonly at: string; readonly reason: string } };

export interface LookNowCall {
  readonly lookAt: LookAt;
  readonly nowMs: number;
  /** Metrics beside those of the definition. */
  readonly more?: readonly string[];
  readonly limitMs?: number | undefined;
}

/**
 * Looks at an experiment for somebody who waits for it.
 * @throws Problem `unavailable` where that takes too long and no look has been kept
 */
export async function lookNow(
  tx: Tx,
  rollout: RolloutRow,
  { lookAt, nowMs, more = [], limitMs = LIMIT_MS }: LookNowCall,
): Promise<LookNow> {
  const observation = await attemptWithin(tx, limitMs, ({ run }) => observe(tx, rollout, nowMs, { more, run }));
  if (observation !== undefined) {
    return {
      kind: 'fresh',
      look: lookAt(experimentDefinitionSchema.parse(rollout.definition), observation),
      observation,
    };
  }
  const reason = `A look as of now takes longer than ${limitMs / 1_000} s.`;
  const look = await lastLook(tx, rollout.organization_id, rollout.id);
  if (look === undefined) {
    throw new Problem('unavailable', `${reason} No look at "${rollout.name}" has been kept yet; ask again later.`, {
      retryAfterSeconds: RETRY_AFTER_S,
    });
  }
  return { kind: 'stale', look, stale: { at: new Date(look.atMs).toISOString(), reason } };
}
