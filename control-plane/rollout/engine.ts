import type { ExperimentDefinition } from '#core/experiments/definition.ts';
import type { Look, Observation } from '#core/experiments/look.ts';
import { reasonOf, traceOf } from '#core/reason.ts';
import { nextStep } from '#core/rollout/machine.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { refuseStart } from '#core/rollout/start.ts';
import { hasEnded } from '#core/rollout/state.ts';
import type { ShadowPairs, Step } from '#core/rollout/step.ts';
import { insertLook, lastLook } from '#store/experiment-looks.ts';
import type { RolloutPast } from '#store/log-rows.ts';
import { type Db, inOrganization, type Tx } from '#store/pool.ts';
import { type DueRollout, dueRollouts, findRollout, type RolloutRow } from '#store/rollouts.ts';
import type { Clock } from '../clock.ts';
import { Problem } from '../problem.ts';
import { applyStep } from './apply.ts';
import { createHistories } from './histories.ts';
import { machineFacts, machineRollout } from './machine-input.ts';
import { publishStep } from './publish-step.ts';

export interface RolloutEngineDeps {
  /** Of the role `application`: everything is done within the rollout's organization. */
  readonly db: Db;
  /** Of the role `leader`, which sees the rollouts of all. */
  readonly leaderDb: Db;
  /** All that is known of an experiment. */
  readonly observe: (tx: Tx, rollout: RolloutRow, nowMs: number) => Promise<Observation>;
  /** As much of it as the fast guard needs. */
  readonly observeTotals: (tx: Tx, rollout: RolloutRow, nowMs: number) => Promise<Observation>;
  readonly lookAt: (definition: ExperimentDefinition, observation: Observation) => Look;
  readonly shadowPairs: (tx: Tx, rollout: RolloutRow) => Promise<readonly (ShadowPairs | null)[]>;
  /** What starts, and the histories of units, ask the log. */
  readonly past: RolloutPast;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

export interface RolloutEngine {
  /** Looks after every rollout once. What fails for one is said, and stops no other. */
  round(signal: AbortSignal): Promise<void>;
  /** Ends when what runs beside the rounds has ended. */
  settle(): Promise<void>;
}

/** Rollouts that are looked after at once; each takes one connection. */
export const ENGINE_WIDTH = 4;
/**
 * A look takes no more than this part of the time between looks: one over a million units reads hundreds of megabytes, and twenty
 * rollouts look at the same database.
 */
const LOOK_SHARE = 0.1;
/** More steps in one round than any rollout has to take at once; the rest comes in the next. */
const STEPS_A_ROUND = 8;
const ACTOR = 'rollout-engine';

/** A rollout as it was read for this round, and what was seen of it. */
interface Seen {
  readonly rollout: RolloutRow;
  /** Null: a draft has nothing to look at, or a shadow stage. */
  readonly look: Look | null;
  readonly pairs: readonly (ShadowPairs | null)[];
  /** How long looking took. */
  readonly tookMs: number;
}

/** When a rollout was last looked at, at which version, and how long that took. */
interface Looked {
  readonly atMs: number;
  readonly version: number;
  readonly tookMs: number;
}

/**
 * Drives rollouts: looks at each as often as its plan says, and at its failures each round; asks the machine what follows; does it.
 *
 * Between any two statements the process may die. Nothing is remembered here that matters: what is done is done in one transaction, and
 * what is not done follows again from what is stored. Two engines at once are harmless: a step is applied to the locked row, at the
 * version that its evidence was read for, so that the second one finds another version and leaves it.
 */
export function createRolloutEngine(deps: RolloutEngineDeps): RolloutEngine {
  const { db, leaderDb, clock, log } = deps;
  /** Each rollout is not looked at again before its interval is over, unless it has changed. */
  const looked = new Map<string, Looked>();
  const troubles = new Map<string, string>();
  const histories = createHistories({ db, past: deps.past, clock, log });

  const tend = async ({ id, organizationId }: DueRollout) => {
    const nowMs = clock.nowMs();
    const seen = await inOrganization(db, organizationId, (tx) =>
      see(deps, tx, { id, organizationId }, nowMs, looked.get(id)),
    );
    if (seen === null) return;
    histories.fill(seen.rollout);
    const version = await advance(deps, seen, nowMs);
    looked.set(id, { atMs: nowMs, version, tookMs: seen.tookMs });
  };

  const tendSafely = async (due: DueRollout) => {
    try {
      await tend(due);
      if (troubles.delete(due.id)) log(`rollout ${due.id}: it works again`);
    } catch (error) {
      const trouble = reasonOf(error);
      if (troubles.get(due.id) !== trouble) log(`rollout ${due.id} is not looked after: ${traceOf(error)}`);
      troubles.set(due.id, trouble);
    }
  };

  return {
    async round(signal) {
      const due = await dueRollouts(leaderDb);
      const ids = new Set(due.map(({ id }) => id));
      for (const known of [looked, troubles]) for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
      const queue = [...due];
      const worker = async () => {
        for (let next = queue.shift(); next !== undefined && !signal.aborted; next = queue.shift())
          await tendSafely(next);
      };
      await Promise.all(Array.from({ length: ENGINE_WIDTH }, worker));
    },
    settle: histories.settle,
  };
}

/** Reads a rollout and looks at it; null: nothing can follow in this round. */
async function see(
  deps: RolloutEngineDeps,
  tx: Tx,
  { id, organizationId }: DueRollout,
  nowMs: number,
  last: Looked | undefined,
): Promise<Seen | null> {
  const rollout = await findRollout(tx, organizationId, id);
  if (rollout === undefined || hasEnded(rollout.state)) return null;
  if (rollout.state === 'draft') return { rollout, look: null, pairs: [], tookMs: 0 };
  const isDue = last === undefined || last.version !== rollout.version || isTimeFor(rollout, last, nowMs);
  const beganMs = deps.clock.nowMs();
  const tookMs = () => deps.clock.nowMs() - beganMs;
  if (rollout.state === 'shadow') {
    if (!isDue) return null;
    const pairs = await deps.shadowPairs(tx, rollout);
    return { rollout, look: null, pairs, tookMs: tookMs() };
  }
  const glance = await alarmingGlance(deps, tx, rollout, nowMs);
  if (!isDue && glance === null) return null;
  try {
    const look = deps.lookAt(rollout.definition, await deps.observe(tx, rollout, nowMs));
    return { rollout, look, pairs: [], tookMs: tookMs() };
  } catch (error) {
    // A sum that cannot be read must not keep a bad challenger in.
    if (glance === null) throw error;
    deps.log(`rollout ${id} is sent back by its counts alone: ${traceOf(error)}`);
    return { rollout, look: glance, pairs: [], tookMs: tookMs() };
  }
}

function isTimeFor({ plan }: RolloutRow, { atMs, tookMs }: Looked, nowMs: number): boolean {
  return nowMs - atMs >= Math.max(plan.intervalMs, tookMs / LOOK_SHARE);
}

/** What the fast guard says by the counts alone; null: nothing that alarms. */
async function alarmingGlance(
  deps: RolloutEngineDeps,
  tx: Tx,
  rollout: RolloutRow,
  nowMs: number,
): Promise<Look | null> {
  if (rollout.definition.fastGuard === null) return null;
  const { removed } = rolloutMemorySchema.parse(rollout.memory);
  const glance = deps.lookAt(rollout.definition, await deps.observeTotals(tx, rollout, nowMs));
  const fires = glance.comparisons.some(({ arm, fastGuard }) => fastGuard?.fired && !removed.includes(arm));
  return fires ? glance : null;
}

/** What steps are taken with. */
type TakingDeps = Pick<RolloutEngineDeps, 'db' | 'past'>;

/** Takes the steps that follow from what was seen, each in a transaction. @returns the version that they left */
async function advance(deps: TakingDeps, seen: Seen, nowMs: number): Promise<number> {
  let { version } = seen.rollout;
  for (let taken = 0; taken < STEPS_A_ROUND; taken++) {
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
  { rollout, look, pairs, isFirst }: Seen & { readonly isFirst: boolean },
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
      const facts = await machineFacts(tx, row, { look, pairs, nowMs });
      const step = nextStep(machineRollout(row), facts, nowMs);
      if (look !== null && isFirst) await keepLook(tx, row, look, step !== null);
      return step === null ? null : await take(tx, row, step);
    });
  } catch (error) {
    // The group is not what the draft was made for: those who asked for the start are told so in its story.
    if (!(error instanceof Problem) || error.code !== 'conflict' || rollout.state !== 'draft') throw error;
    return locked((tx, row) => take(tx, row, refuseStart(machineRollout(row), error.message)));
  }
}

/** One an interval, whoever looks, and each that something followed from. */
async function keepLook(tx: Tx, rollout: RolloutRow, look: Look, isActedOn: boolean): Promise<void> {
  const last = await lastLook(tx, rollout.organization_id, rollout.id);
  const isDue = last === undefined || look.atMs - last.atMs >= rollout.plan.intervalMs;
  if (isDue || isActedOn) await insertLook(tx, rollout.organization_id, rollout.id, look);
}
