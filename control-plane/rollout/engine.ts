import type { ExperimentDefinition } from '#core/experiments/definition.ts';
import type { Look, Observation } from '#core/experiments/look.ts';
import { reasonOf, traceOf } from '#core/reason.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { hasEnded } from '#core/rollout/state.ts';
import type { ShadowPairs } from '#core/rollout/step.ts';
import type { RolloutPast } from '#store/log-rows.ts';
import { type Db, inOrganization, type Tx } from '#store/pool.ts';
import { openReading } from '#store/reading.ts';
import { type DueRollout, dueRollouts, findRollout, type RolloutRow } from '#store/rollouts.ts';
import type { Clock } from '../clock.ts';
import { createHistories, HISTORIES_WIDTH } from './histories.ts';
import { createLanes, inParallel } from './lanes.ts';
import { failureOf } from './look-failure.ts';
import { createLookPace } from './look-pace.ts';
import { asksLog } from './start.ts';
import { type Seen, takeSteps } from './take-steps.ts';

export interface RolloutEngineDeps {
  /** Of the role `application`: everything is done within the rollout's organization. `ENGINE_CONNECTIONS` wide. */
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
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: (line: string) => void;
}

export interface RolloutEngine {
  /** Glances at every rollout once, and has those looked at whose time it is. What fails for one is said, and stops no other. */
  round(signal: AbortSignal): Promise<void>;
  /** Ends when what runs beside the rounds has ended: looks, and histories that are read. */
  settle(): Promise<void>;
}

/** Rollouts that are glanced at, and looked at, at once. Each takes one connection, so that no look can keep a glance waiting for one. */
const GLANCES_WIDTH = 4;
const LOOKS_WIDTH = 4;
export const ENGINE_CONNECTIONS = GLANCES_WIDTH + LOOKS_WIDTH + HISTORIES_WIDTH;
/** What one statement of a look may take: ten times what a million units took on a busy machine. */
const LOOK_LIMIT_MS = 120_000;
/** The same, where a challenger is to be sent back meanwhile: its story shows the whole look if there is one by then. */
const ALARM_LIMIT_MS = 1_000;
/** The first failure is said in the log alone: a connection that broke is not worth a line in the rollout's story. */
const FAILURES_UNTOLD = 1;

/** What a glance leaves to a look; null: nothing. */
type Wanted = RolloutRow | null;

/**
 * Drives rollouts: glances at each every round, looks at it as often as its plan says, asks the machine what follows, does it.
 *
 *   round ──▶ glance: counts alone, milliseconds ──alarm──▶ back it goes
 *                └──a look is due──▶ lanes: the whole look, seconds to minutes ──▶ the steps that follow
 *
 * Rounds wait for no look, so that a bad challenger goes back within seconds, whatever the looks at others take.
 *
 * Between any two statements the process may die. Nothing is remembered here that matters: what is done is done in one transaction, and
 * what is not done follows again from what is stored. A glance beside a look at the same rollout, and two engines at once, are harmless:
 * a step is applied to the locked row, at the version that its evidence was read for, so that the second one finds another version and
 * leaves it.
 */
export function createRolloutEngine(deps: RolloutEngineDeps): RolloutEngine {
  const { db, leaderDb, clock, log } = deps;
  const pace = createLookPace(deps.random);
  const histories = createHistories({ db, past: deps.past, clock, log });
  const troubles = createTroubles(log);

  const glance = async ({ id, organizationId }: DueRollout, signal: AbortSignal): Promise<Wanted> => {
    const nowMs = clock.nowMs();
    const seen = await inOrganization(db, organizationId, (tx) => glanceAt(deps, tx, { id, organizationId }, nowMs));
    if (seen === null) return null;
    const { rollout, alarm } = seen;
    histories.fill(rollout, signal);
    if (alarm !== null) {
      pace.moved(id, await takeSteps(deps, await alarmed(deps, rollout, alarm, nowMs), nowMs));
      return null;
    }
    // A log that hangs must not hold the round.
    if (rollout.state !== 'draft' || asksLog(rollout)) {
      return pace.isDue(rollout, nowMs) ? rollout : null;
    }
    await takeSteps(deps, { rollout, look: null, pairs: [] }, nowMs);
    return null;
  };

  const look = async (wanted: RolloutRow, signal: AbortSignal) => {
    const nowMs = clock.nowMs();
    try {
      const seen = await lookAtWhole(deps, wanted, nowMs, LOOK_LIMIT_MS);
      if (seen === null) return;
      const tookMs = clock.nowMs() - nowMs;
      const version = await takeSteps(deps, seen, nowMs);
      // A draft waits for answers, of which its version knows nothing.
      if (wanted.state === 'draft') pace.forget(wanted.id);
      else pace.looked({ ...seen.rollout, version }, nowMs, tookMs);
    } catch (error) {
      // Broken off, since we stop: that is no failure to tell of.
      if (signal.aborted) throw error;
      const failures = pace.failed(wanted, clock.nowMs());
      if (failures > FAILURES_UNTOLD) await tell(wanted, error, nowMs);
      throw error;
    }
  };

  /** Has the story of a rollout say that looking, or what its start asks, fails; of a look a pause follows in time. */
  const tell = async (rollout: RolloutRow, error: unknown, nowMs: number) => {
    const failure = failureOf(error, LOOK_LIMIT_MS);
    try {
      pace.moved(rollout.id, await takeSteps(deps, { rollout, look: null, failure, pairs: [] }, nowMs));
    } catch (second) {
      throw new AggregateError([error, second], `${reasonOf(error)}; and its story cannot say so: ${reasonOf(second)}`);
    }
  };

  const lanes = createLanes(LOOKS_WIDTH, (wanted: RolloutRow, signal) =>
    troubles.guard('looked at', wanted.id, signal, () => look(wanted, signal)),
  );

  return {
    async round(signal) {
      const due = await dueRollouts(leaderDb);
      const ids = new Set(due.map(({ id }) => id));
      pace.keepOnly(ids);
      troubles.keepOnly(ids);
      const wanted: RolloutRow[] = [];
      await inParallel(due, GLANCES_WIDTH, signal, (each) =>
        troubles.guard('looked after', each.id, signal, async () => {
          const rollout = await glance(each, signal);
          if (rollout !== null) wanted.push(rollout);
        }),
      );
      wanted.sort((a, b) => pace.lastAtMs(a.id) - pace.lastAtMs(b.id));
      lanes.offer(wanted, signal);
    },
    async settle() {
      await lanes.settle();
      await histories.settle();
    },
  };
}

/** Says once what fails for a rollout, and once that it works again. What is broken off by a stop is neither. */
function createTroubles(log: (line: string) => void) {
  const known = new Map<string, { readonly id: string; readonly why: string }>();
  return {
    async guard(what: string, id: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
      const key = `${what} ${id}`;
      try {
        await work();
        if (known.delete(key)) log(`rollout ${id} is ${what} again`);
      } catch (error) {
        if (signal.aborted) return;
        const why = reasonOf(error);
        if (known.get(key)?.why !== why) log(`rollout ${id} is not ${what}: ${traceOf(error)}`);
        known.set(key, { id, why });
      }
    },
    keepOnly(ids: ReadonlySet<string>): void {
      for (const [key, { id }] of known) if (!ids.has(id)) known.delete(key);
    },
  };
}

interface Glanced {
  readonly rollout: RolloutRow;
  /** What the fast guard says by the counts alone; null: nothing that alarms. */
  readonly alarm: Look | null;
}

/** @returns null where there is nothing to do any more */
async function glanceAt(
  deps: RolloutEngineDeps,
  tx: Tx,
  { id, organizationId }: DueRollout,
  nowMs: number,
): Promise<Glanced | null> {
  const rollout = await findRollout(tx, organizationId, id);
  if (rollout === undefined || hasEnded(rollout.state)) return null;
  const serves = rollout.state !== 'draft' && rollout.state !== 'shadow';
  if (!serves || rollout.definition.fastGuard === null) return { rollout, alarm: null };
  const { removed } = rolloutMemorySchema.parse(rollout.memory);
  const look = deps.lookAt(rollout.definition, await deps.observeTotals(tx, rollout, nowMs));
  const fires = look.comparisons.some(({ arm, fastGuard }) => fastGuard?.fired && !removed.includes(arm));
  return { rollout, alarm: fires ? look : null };
}

/** What is seen of a rollout whose fast guard fires: the whole, if that is to be had in a moment. A sum that cannot be read must not keep a bad challenger in. */
async function alarmed(deps: RolloutEngineDeps, rollout: RolloutRow, alarm: Look, nowMs: number): Promise<Seen> {
  const byCounts: Seen = { rollout, look: alarm, isGlance: true, pairs: [] };
  try {
    const whole = await lookAtWhole(deps, rollout, nowMs, ALARM_LIMIT_MS);
    return whole?.look == null ? byCounts : whole;
  } catch (error) {
    deps.log(`rollout ${rollout.id} is sent back by its counts alone: ${traceOf(error)}`);
    return byCounts;
  }
}

/** @returns all that is to be seen of a rollout as it is now; null: it has ended */
function lookAtWhole(
  deps: RolloutEngineDeps,
  { id, organization_id: organizationId }: RolloutRow,
  nowMs: number,
  limitMs: number,
): Promise<Seen | null> {
  return inOrganization(deps.db, organizationId, async (tx): Promise<Seen | null> => {
    const rollout = await findRollout(tx, organizationId, id);
    if (rollout === undefined || hasEnded(rollout.state)) return null;
    switch (rollout.state) {
      case 'draft':
        return { rollout, look: null, pairs: [] };
      case 'shadow':
        return { rollout, look: null, pairs: await openReading(tx, limitMs).run(() => deps.shadowPairs(tx, rollout)) };
      default: {
        const observation = await openReading(tx, limitMs).run(() => deps.observe(tx, rollout, nowMs));
        return { rollout, look: deps.lookAt(rollout.definition, observation), pairs: [] };
      }
    }
  });
}
