import { type ExperimentDefinition, experimentDefinitionSchema, ingestSchema } from '#core/experiments/definition.ts';
import type { MetricResult, Observation, PhaseSums } from '#core/experiments/look.ts';
import { type BuiltinMetricName, isBuiltin } from '#core/experiments/metrics.ts';
import { listPhases, type PhaseRow } from '#store/experiment-phases.ts';
import { armTotals } from '#store/experiments.ts';
import { findGroup } from '#store/groups.ts';
import { keyNames } from '#store/keys.ts';
import type { LogRows } from '#store/log-rows.ts';
import type { Tx } from '#store/pool.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import { countRows, type Dimension, type RowFilter, type RowSums } from '#store/row-sums.ts';
import type { ReadCall } from '../http/operation.ts';
import { boundedRead } from '../inferences/reading.ts';
import { invalid } from '../problem.ts';
import type { AnalysisDeps } from './analysis.ts';
import { type BreakdownQuery, type BreakdownView, METADATA_DIMENSION } from './experiment-schemas.ts';
import { requireExperiment } from './experiments.ts';
import type { LookAt } from './look-now.ts';

/** What a look at rows may read. */
export const MAX_ROWS = 1_000_000;

export interface BreakdownDeps extends Pick<AnalysisDeps, 'lookAt' | 'clock' | 'lookLimitMs'> {
  readonly logRows: LogRows;
}

/** An experiment's metric by what its inferences have in common: by key, model version, or a field of the metadata. */
export async function showBreakdown(
  tx: Tx,
  { organizationId, ref, query }: ReadCall<BreakdownQuery>,
  { lookAt, clock, logRows }: BreakdownDeps,
): Promise<BreakdownView> {
  const row = await requireExperiment(tx, organizationId, ref);
  const definition = experimentDefinitionSchema.parse(row.definition);
  const metric = metricOf(query, definition);
  const filter = filterOf(row, query, clock.nowMs());
  await refuseTooMany(tx, filter);
  const dimension = dimensionOf(query.by);
  // Before the rows: what is counted meanwhile must not look as if it had left the log.
  const totals = await armTotals(tx, { organizationId, experimentId: row.id });
  const ingest = ingestSchema.parse({ ...objectivesOf(definition), ...row.ingest });
  const { top, sums, champion } = await boundedRead(tx, async ({ ask }) => {
    const top = await ask((read) => logRows.topValues(read, filter, dimension, query.top));
    const by = { dimension, values: top.values };
    const sums = await ask((read) => logRows.rowSums(read, filter, ingest, [metric], by));
    // A version belongs to one arm: it is compared with the champion as a whole.
    const whole =
      dimension.kind === 'version' ? await ask((read) => logRows.rowSums(read, filter, ingest, [metric])) : null;
    return { top, sums, champion: whole?.filter(({ arm }) => arm === 0) ?? null };
  });
  const phases = await listPhases(tx, organizationId, row.id);
  const names = dimension.kind === 'key' ? await keyNames(tx, organizationId, known(top.values)) : new Map();
  const asked = { lookAt, row, phases, definition: definitionOf(definition, metric, top.values.length) };
  const counted = totals.reduce((sum, { requests }) => sum + requests, 0);
  return {
    ...{ by: query.by, metric, since: filter.since.toISOString(), until: filter.until.toISOString() },
    warning: warningOf(top.values.length, definition.alpha),
    notes: await notesOf(tx, { row, query, found: top.rows, counted, dimension }),
    distinctValues: top.distinct,
    rows: { found: top.rows, counted },
    values: top.values.map((value) => {
      const own = sums.filter((one) => one.value === value);
      const compared = champion === null ? own : [...own.filter(({ arm }) => arm !== 0), ...champion];
      return {
        ...{ value, name: value === null ? null : (names.get(value) ?? null) },
        challengers: row.arms.slice(1).map(({ model }, index) => ({
          challenger: model,
          result: resultOf(asked, index + 1, compared),
        })),
      };
    }),
  };
}

function known(values: readonly (string | null)[]): string[] {
  return values.filter((value) => value !== null);
}

function metricOf({ metric }: BreakdownQuery, { primary }: ExperimentDefinition): BuiltinMetricName {
  if (metric !== undefined) return metric;
  return primary !== null && isBuiltin(primary.metric) ? primary.metric : 'error_rate';
}

/** Thresholds of an experiment that has not started, and so has none written down for the shipper. */
export function objectivesOf({ latencyObjectiveMs, firstTokenObjectiveMs }: ExperimentDefinition) {
  return { latencyObjectiveUs: latencyObjectiveMs * 1_000, firstTokenObjectiveUs: firstTokenObjectiveMs * 1_000 };
}

function filterOf(row: RolloutRow, { since, until }: BreakdownQuery, nowMs: number): RowFilter {
  const started = row.started_at ?? row.created_at;
  const window = {
    since: since === undefined ? started : new Date(Math.max(Date.parse(since), started.getTime())),
    until: new Date(until ?? nowMs),
  };
  if (window.since >= window.until) {
    const field = until === undefined ? 'since' : 'until';
    const begins = window.since.toISOString();
    const message = until === undefined ? 'is not before now' : `is not after ${begins}, when what is asked for begins`;
    throw invalid([{ field, message }]);
  }
  const of = { experimentId: row.id };
  return { organizationId: row.organization_id, groupId: row.group_id, of, ...window };
}

async function refuseTooMany(tx: Tx, { groupId, since, until }: RowFilter): Promise<void> {
  const rows = await countRows(tx, groupId, since, until);
  if (rows <= MAX_ROWS) return;
  const message = `there are ${rows} rows in this time, more than the ${MAX_ROWS} that are looked through; name a shorter one with since and until`;
  throw invalid([{ field: 'since', message }]);
}

function dimensionOf(by: string): Dimension {
  if (by === 'key' || by === 'version') return { kind: by };
  return { kind: 'metadata', field: METADATA_DIMENSION.exec(by)![1]! };
}

/** The same rules as the experiment's own, for one metric, with α shared among the values. */
function definitionOf(
  definition: ExperimentDefinition,
  metric: BuiltinMetricName,
  values: number,
): ExperimentDefinition {
  const { primary } = definition;
  const asked = primary?.metric === metric ? primary : { metric, relative: true, minimumEffect: 0.05 };
  return {
    ...definition,
    ...{ primary: asked, guardrails: [], fastGuard: null, alpha: definition.alpha / Math.max(1, values) },
  };
}

/** Null: nothing of this value was measured in the challenger's arm. */
function resultOf(
  { lookAt, definition, row, phases }: Asked,
  arm: number,
  sums: readonly RowSums[],
): MetricResult | null {
  if (!sums.some((one) => one.arm === arm)) return null;
  const observation = observationOf(row, phases, sums);
  return lookAt(definition, observation).comparisons.find((one) => one.arm === arm)?.primary ?? null;
}

interface Asked {
  readonly lookAt: LookAt;
  readonly definition: ExperimentDefinition;
  readonly row: RolloutRow;
  readonly phases: readonly PhaseRow[];
}

/** As if these were all the rows. What fell to which arm is no question here. */
function observationOf(row: RolloutRow, phases: readonly PhaseRow[], sums: readonly RowSums[]): Observation {
  const of = (phase: number, arm: number) => sums.find((one) => one.phase === phase && one.arm === arm)?.sums ?? null;
  const arms = row.arms.map(({ model }) => model);
  const counts = (phase: number) => arms.map((_, arm) => of(phase, arm)?.units ?? 0);
  const none = arms.map(() => 0);
  const metric = sums[0]!.metric;
  return {
    ...{ atMs: 0, arms, phase: row.phase, minSrmP: 1 },
    phases: phases.map(({ phase, weights_bp: weightsBp }) => ({
      ...{ phase, weightsBp, units: counts(phase), failingUnits: none, requests: counts(phase), failures: none },
    })),
    metrics: {
      [metric]: phases.map(({ phase }): PhaseSums => ({ phase, arms: arms.map((_, arm) => of(phase, arm)) })),
    },
    evidence: { lost: 0, underWay: 0, lastAtMs: null, broken: [] },
  };
}

function warningOf(values: number, alpha: number): string {
  if (values < 2)
    return 'One value: the interval is at the α of the experiment. It was not what the experiment set out to show.';
  return (
    `${values} values were looked at. Somewhere among so many an effect appears by chance: so each interval is at α/${values} = ` +
    `${Number((alpha / values).toPrecision(3))}. Take what stands out as a question for the next experiment, not as an answer of this one.`
  );
}

interface Coverage {
  readonly row: RolloutRow;
  readonly query: BreakdownQuery;
  readonly found: number;
  readonly counted: number;
  readonly dimension: Dimension;
}

async function notesOf(tx: Tx, { row, query, found, counted, dimension }: Coverage): Promise<string[]> {
  const notes: string[] = [];
  const isWhole = query.since === undefined && query.until === undefined;
  if (isWhole && found < counted) {
    const group = await findGroup(tx, row.organization_id, row.group_id);
    const days = group?.log.retentionDays ?? null;
    const why = days === null ? 'have left the log' : `have left the log, which keeps them for ${days} days`;
    notes.push(
      `${counted - found} of the ${counted} inferences that the experiment has counted ${why}: they are not in these figures.`,
    );
  }
  if (dimension.kind === 'version') {
    notes.push(
      'A version is what the first attempt asked the provider for. Each is compared with all of the champion.',
    );
  }
  return notes;
}
