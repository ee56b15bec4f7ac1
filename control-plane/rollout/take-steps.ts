import type { Look } from '#core/experiments/look.ts';
import { nextStep } from '#core/rollout/machine.ts';
import { refuseStart } from '#core/rollout/start.ts';
import { hasEnded } from '#core/rollout/state.ts';
import type { ShadowPairs, Step } from '#core/rollout/step.ts';
import { insertLook, lastLook } from '#store/experiment-looks.ts';
import type { RolloutPast } from '#store/log-rows.ts';
import { type Db, inOrganization, type Tx } from '#store/pool.ts';
import { findRollout, type RolloutRow } from '#store/rollouts.ts';
import { Problem } from '../problem.ts';
import { applyStep } from './apply.ts';
import { machineFacts, machineRollout } from './machine-input.ts';
import { publishStep } from './publish-step.ts';

/** A rollout as it was read, and what was seen of it. */
export interface Seen {
  readonly rollout: RolloutRow;
  /** Null: a draft has nothing to look at, or a shadow stage; or looking failed. */
  readonly look: Look | null;
  /** Whether that look knows the counts of units alone: enough to send a challenger back, and for nothing else. */
  readonly isGlance?: boolean;
  /** Why looking fails; null or left out: it does not. */
  readonly failure?: string | null;
  readonly pairs: readonly (ShadowPairs | null)[];
}

/** What steps are taken with. */
interface TakingDeps {
  readonly db: Db;
  /** What a start asks the log. */
  readonly past: RolloutPast;
}

/** More steps than any rollout has to take at once; the rest comes after the next look. */
const MOST_STEPS = 8;
const ACTOR = 'rollout-engine';

/** Takes the steps that follow from what was seen, each in a transaction. @returns the version that they left */
export async function takeSteps(deps: TakingDeps, seen: Seen, nowMs: number): Promise<number> {
  let { version } = seen.rollout;
  for (let taken = 0; taken < MOST_STEPS; taken++) {
    const after = await takeStep(deps, { ...seen, isFirst: taken === 0 }, version, nowMs);
    if (after === null) break;
    version = after.version;
    // Where traffic begins, what follows is for the first look at it.
    const isUnseen = seen.look === null && after.state !== seen.rollout.state;
    if (isUnseen || hasEnded(after.state)) break;
  }
  return version;
}

/** @returns the rollout after the next step; null: there is none, or it is somebody else's to take */
async function takeStep(
  { db, past }: TakingDeps,
  { rollout, look, isGlance = false, failure = null, pairs, isFirst }: Seen & { readonly isFirst: boolean },
  version: number,
  nowMs: number,
): Promise<RolloutRow | null> {
  const { id, organization_id: organizationId } = rollout;
  const locked = (work: (tx: Tx, row: RolloutRow) => Promise<RolloutRow | null>) =>
    inOrganization(db, organizationId, async (tx) => {
      const row = await findRollout(tx, organizationId, id, 'update');
      // Somebody else was faster: what was seen was seen of another state.
      return row === undefined || row.version !== version ? null : work(tx, row);
    });
  const take = async (tx: Tx, row: RolloutRow, step: Step) => {
    const outcome = await applyStep(tx, { rollout: row, step, actor: ACTOR, nowMs, past });
    await publishStep(tx, outcome, ACTOR);
    return outcome.rollout;
  };
  try {
    return await locked(async (tx, row) => {
      const facts = await machineFacts(tx, row, { look, failure, pairs, nowMs });
      const next = nextStep(machineRollout(row), facts, nowMs);
      const step = isGlance && next !== null && !SENDS_BACK.has(next.event) ? null : next;
      const isWorthKeeping = look !== null && isFirst && (step !== null || !isGlance);
      if (isWorthKeeping) await keepLook(tx, row, look, step !== null);
      return step === null ? null : await take(tx, row, step);
    });
  } catch (error) {
    // The group is not what the draft was made for: those who asked for the start are told so in its story.
    if (!(error instanceof Problem) || error.code !== 'conflict' || rollout.state !== 'draft') throw error;
    return locked((tx, row) => take(tx, row, refuseStart(machineRollout(row), error.message)));
  }
}

/** What may follow from counts alone. */
const SENDS_BACK: ReadonlySet<Step['event']> = new Set(['rollback', 'remove']);

/** One an interval, whoever looks, and each that something followed from. */
async function keepLook(tx: Tx, rollout: RolloutRow, look: Look, isActedOn: boolean): Promise<void> {
  const last = await lastLook(tx, rollout.organization_id, rollout.id);
  const isDue = last === undefined || look.atMs - last.atMs >= rollout.plan.intervalMs;
  if (isDue || isActedOn) await insertLook(tx, rollout.organization_id, rollout.id, look);
}
