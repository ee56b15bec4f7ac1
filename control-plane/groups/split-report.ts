import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import type { Tx } from '#store/pool.ts';
import { runningRollout } from '#store/rollouts.ts';
import { countRows } from '#store/row-sums.ts';
import { type SplitWindow, type StepUnits, splitsInForce, stepOutcomes } from '#store/split-figures.ts';
import { type BreakdownDeps, MAX_ROWS } from '../experiments/breakdown.ts';
import type { ReadCall } from '../http/operation.ts';
import { boundedRead } from '../inferences/reading.ts';
import { invalid } from '../problem.ts';
import { observeTotals } from '../rollout/observe-totals.ts';
import { requireGroup } from './groups.ts';
import type { SplitQuery, SplitView } from './split-schemas.ts';
import { truthOf } from './split-truth.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const MAX_STEPS = 500;

/** The configured, the assigned and the served shares of a group, step by step, and why they differ. */
export async function showSplit(
  tx: Tx,
  { organizationId, ref, query }: ReadCall<SplitQuery>,
  { lookAt, clock, logRows }: BreakdownDeps,
): Promise<SplitView> {
  const group = await requireGroup(tx, organizationId, ref);
  const nowMs = clock.nowMs();
  const window = { ...windowOf(query, nowMs), organizationId, groupId: group.id };
  const notes: string[] = [];
  const { splits, outcomes, units } = await boundedRead(tx, async ({ run, ask }) => {
    const splits = await run(() => splitsInForce(tx, window));
    const outcomes = await run(() => stepOutcomes(tx, window));
    const why = await unreadable(tx, window);
    if (why !== null) notes.push(why);
    const units = why === null ? await ask((read) => knownUnits(logRows.stepUnits(read, window, splits), notes)) : [];
    return { splits, outcomes, units };
  });
  const byStep = Map.groupBy(outcomes, ({ stepMs }) => stepMs);
  const unitsByStep = new Map(units.map((one): [number, StepUnits] => [one.stepMs, one]));
  const steps = stepsOf(window, nowMs).map(({ fromMs, toMs }) =>
    truthOf({
      ...{ fromMs, toMs, outcomes: byStep.get(fromMs) ?? [], units: unitsByStep.get(fromMs) ?? null },
      splits: splits.filter(({ from }, index) => {
        const endsMs = splits[index + 1]?.from.getTime() ?? Infinity;
        return from.getTime() < toMs && endsMs > fromMs;
      }),
    }),
  );
  return {
    ...{ group: group.name, groupId: group.id, stepMinutes: query.step, notes },
    ...{ since: window.since.toISOString(), until: window.until.toISOString() },
    steps: steps.map(({ fromMs, toMs, ...step }) => ({
      ...{ from: new Date(fromMs).toISOString(), until: new Date(toMs).toISOString() },
      ...(structuredClone(step) as Omit<SplitView['steps'][number], 'from' | 'until'>),
    })),
    experiment: await runningSplit(tx, organizationId, group.id, { lookAt, nowMs }),
  };
}

/** Whole steps that begin at a whole minute. @throws Problem `invalid` */
function windowOf({ since, until, step }: SplitQuery, nowMs: number): { since: Date; until: Date; stepMs: number } {
  const stepMs = step * MINUTE_MS;
  const fromMs = Math.floor((since === undefined ? nowMs - HOUR_MS : Date.parse(since)) / MINUTE_MS) * MINUTE_MS;
  const untilMs = until === undefined ? nowMs : Date.parse(until);
  const steps = Math.ceil((untilMs - fromMs) / stepMs);
  if (steps < 1) throw invalid([{ field: 'since', message: 'is not before the end of the time that is asked for' }]);
  if (steps > MAX_STEPS) {
    const message = `makes ${steps} steps, more than ${MAX_STEPS}; ask for longer ones or for a shorter time`;
    throw invalid([{ field: 'step', message }]);
  }
  return { since: new Date(fromMs), until: new Date(fromMs + steps * stepMs), stepMs };
}

/** The steps of a window; one that is not over ends now. */
function stepsOf({ since, until, stepMs }: SplitWindow, nowMs: number): { fromMs: number; toMs: number }[] {
  const count = (until.getTime() - since.getTime()) / stepMs;
  return Array.from({ length: count }, (_, index) => {
    const fromMs = since.getTime() + index * stepMs;
    return { fromMs, toMs: Math.max(fromMs + 1, Math.min(fromMs + stepMs, nowMs)) };
  });
}

/** Counts are known without them. */
async function knownUnits(units: Promise<StepUnits[]>, notes: string[]): Promise<StepUnits[]> {
  try {
    return await units;
  } catch (error) {
    if (!(error instanceof LogUnavailableError)) throw error;
    notes.push(`The rows of the log are in ClickHouse, which ${error.why}: units are not known.`);
    return [];
  }
}

/** Why rows cannot be looked at; null: they can. */
async function unreadable(tx: Tx, window: SplitWindow): Promise<string | null> {
  const rows = await countRows(tx, window.groupId, window.since, window.until);
  if (rows <= MAX_ROWS) return null;
  return `There are ${rows} rows in this time, more than the ${MAX_ROWS} that are looked through: units are not known.`;
}

async function runningSplit(
  tx: Tx,
  organizationId: string,
  groupId: string,
  { lookAt, nowMs }: Pick<BreakdownDeps, 'lookAt'> & { readonly nowMs: number },
): Promise<SplitView['experiment']> {
  const row = await runningRollout(tx, organizationId, groupId);
  if (row === undefined) return null;
  const look = lookAt(experimentDefinitionSchema.parse(row.definition), await observeTotals(tx, row, nowMs));
  return { id: row.id, name: row.name, srm: structuredClone(look.srm) as NonNullable<SplitView['experiment']>['srm'] };
}
