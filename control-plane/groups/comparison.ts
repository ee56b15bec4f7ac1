import { type ExperimentDefinition, experimentDefinitionSchema } from '#core/experiments/definition.ts';
import type { Observation, PhaseSums } from '#core/experiments/look.ts';
import { BUILTIN_METRICS, type BuiltinMetricName } from '#core/experiments/metrics.ts';
import { type Histogram, mergeHistograms, quantileOf } from '#core/histogram.ts';
import { rollupFigures, shadowFigures } from '#store/comparison-figures.ts';
import type { MetricSums } from '#store/experiment-sums.ts';
import { armTotals } from '#store/experiments.ts';
import type { GroupRow, VariantRow } from '#store/groups.ts';
import type { LogRows } from '#store/log-rows.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import type { Tx } from '#store/pool.ts';
import { type RolloutRow, runningRollout } from '#store/rollouts.ts';
import { countRows, type RowFigures, type RowFilter } from '#store/row-sums.ts';
import { type BreakdownDeps, MAX_ROWS, objectivesOf } from '../experiments/breakdown.ts';
import { type LookAt, lookNow } from '../experiments/look-now.ts';
import { phaseSums } from '../experiments/observe.ts';
import type { ReadCall } from '../http/operation.ts';
import { boundedRead } from '../inferences/reading.ts';
import { invalid } from '../problem.ts';
import type { ComparisonQuery, ComparisonView } from './comparison-schemas.ts';
import { requireGroup, variantsOfOne } from './groups.ts';

const DAY_MS = 86_400_000;
const NS_PER_MS = 1_000_000;
const US_PER_MS = 1_000;
/** What is compared of any group. */
const COMPARED = ['error_rate', 'latency', 'output_tokens', 'cost'] as const satisfies BuiltinMetricName[];

/** The champion of a group against each challenger, as of now: by its experiment, else by the rows of the present split. */
export async function showComparison(
  tx: Tx,
  { organizationId, ref, query }: ReadCall<ComparisonQuery>,
  { lookAt, clock, logRows, lookLimitMs }: BreakdownDeps,
): Promise<ComparisonView> {
  const group = await requireGroup(tx, organizationId, ref);
  const until = new Date(clock.nowMs());
  const since = query.since === undefined ? new Date(until.getTime() - DAY_MS) : new Date(query.since);
  if (since >= until) throw invalid([{ field: 'since', message: 'is not in the past' }]);
  const running = await runningRollout(tx, organizationId, group.id);
  const context = { group, variants: await variantsOfOne(tx, group), until, lookAt, lookLimitMs, logRows };
  if (running !== undefined) return ofExperiment(tx, running, context);
  const rows = await countRows(tx, group.id, since, until);
  if (rows > MAX_ROWS) return ofRollups(tx, since, `${rows} rows are too many to look through`, context);
  try {
    return await ofRows(tx, since, context);
  } catch (error) {
    if (!(error instanceof LogUnavailableError)) throw error;
    return ofRollups(tx, since, `ClickHouse, which has the rows of the log, ${error.why}`, context);
  }
}

interface Context {
  readonly group: GroupRow;
  readonly variants: readonly VariantRow[];
  readonly until: Date;
  readonly lookAt: LookAt;
  readonly lookLimitMs: number | undefined;
  readonly logRows: LogRows;
}

async function ofExperiment(tx: Tx, running: RolloutRow, context: Context): Promise<ComparisonView> {
  const { group, variants, until, lookAt } = context;
  const ref = { organizationId: group.organization_id, experimentId: running.id };
  const more = [...COMPARED, 'input_tokens'];
  const now = await lookNow(tx, running, { lookAt, nowMs: until.getTime(), more, limitMs: context.lookLimitMs });
  const { look } = now;
  const definition = experimentDefinitionSchema.parse(running.definition);
  const sums = now.kind === 'stale' ? null : sumsOf(now.observation);
  const totals = await armTotals(tx, ref);
  const since = running.started_at ?? running.created_at;
  return {
    ...(await frameOf(tx, since, context)),
    source: 'experiment',
    notice:
      'Exact sums of the experiment that runs, since its start: by unit of assignment, for the assigned variant. Intervals hold at every look.',
    experiment: { id: running.id, name: running.name, state: running.state },
    look: structuredClone(look) as NonNullable<ComparisonView['look']>,
    stale: now.kind === 'stale' ? now.stale : null,
    arms: running.arms.map(({ model }, arm) => {
      const own = totals.filter((total) => total.arm === arm);
      const add = (amount: (total: (typeof own)[number]) => number) =>
        own.reduce((all, total) => all + amount(total), 0);
      return armView(model, variants, {
        ...{ units: add(({ units }) => units), requests: add(({ requests }) => requests) },
        ...{ failures: add(({ failures }) => failures), ...amountsOf(sums, arm) },
        latencyMs: quantilesMs(own.reduce<Histogram>((all, { latency }) => mergeHistograms(all, latency), {})),
      });
    }),
    metrics: now.kind === 'stale' ? [] : metricViews(lookAt, definition, now.observation, sums ?? []),
    srm: structuredClone(look.srm) as ComparisonView['srm'],
  };
}

type Amounts = Pick<ComparisonView['arms'][number], 'inputTokens' | 'outputTokens' | 'costMicroUsd' | 'withCost'>;

/** What an arm has used. @param sums null: not known at this moment */
function amountsOf(sums: readonly MetricSums[] | null, arm: number): Amounts {
  if (sums === null) return { inputTokens: null, outputTokens: null, costMicroUsd: null, withCost: null };
  const of = (metric: string, key: 'sum' | 'n') =>
    sums
      .filter((one) => one.metric === metric && one.arm === arm)
      .reduce((all, one) => all + (one.sums?.[key] ?? 0), 0);
  return {
    ...{ inputTokens: of('input_tokens', 'sum'), outputTokens: of('output_tokens', 'sum') },
    ...{ costMicroUsd: of('cost', 'sum'), withCost: of('cost', 'n') },
  };
}

/** One by one, as they were stored. */
function sumsOf({ metrics }: Observation): MetricSums[] {
  return Object.entries(metrics).flatMap(([metric, phases]) =>
    phases.flatMap(({ phase, arms }) => arms.map((sums, arm) => ({ metric, phase, arm, sums }))),
  );
}

async function ofRows(tx: Tx, since: Date, context: Context): Promise<ComparisonView> {
  const { group, until, lookAt, logRows } = context;
  const arms = armsOf(context.variants);
  const definition = experimentDefinitionSchema.parse({});
  const ingest = { ...objectivesOf(definition), caps: {} };
  const filter: RowFilter = {
    ...{ organizationId: group.organization_id, groupId: group.id, since, until },
    of: { phase: group.phase, hashVersion: group.hash_version, variants: arms.map(({ model }) => model) },
  };
  const { sums, figures } = await boundedRead(tx, async ({ ask }) => ({
    sums: await ask((read) => logRows.rowSums(read, filter, ingest, COMPARED)),
    figures: await ask((read) => logRows.rowFigures(read, filter, ingest)),
  }));
  const observation = observationOfRows(arms, figures, until);
  const metrics = metricViews(lookAt, definition, observation, sums);
  return {
    ...(await frameOf(tx, since, context)),
    source: 'rows',
    notice:
      `Exact sums by unit of assignment, of the rows since ${since.toISOString()} that the present split (phase ${group.phase}) has assigned. ` +
      'No experiment runs: each interval holds at every look while this window grows, and nothing is decided by it.',
    ...{ experiment: null, look: null, stale: null },
    arms: arms.map(({ model }, arm) => {
      const own = figures.find((one) => one.arm === arm);
      return armView(model, context.variants, {
        ...{ units: own?.units ?? 0, requests: own?.requests ?? 0, failures: own?.failures ?? 0 },
        ...{ inputTokens: own?.inputTokens ?? 0, outputTokens: own?.outputTokens ?? 0 },
        ...{ costMicroUsd: own?.costMicroUsd ?? 0, withCost: own?.withCost ?? 0 },
        latencyMs: own?.latencyUs ? inMs(own.latencyUs, US_PER_MS) : null,
      });
    }),
    metrics,
    srm: lookAt(definition, observation).srm as ComparisonView['srm'],
  };
}

async function ofRollups(tx: Tx, since: Date, why: string, context: Context): Promise<ComparisonView> {
  const { group, variants, until } = context;
  const figures = await rollupFigures(tx, { organizationId: group.organization_id, groupId: group.id, since, until });
  return {
    ...(await frameOf(tx, since, context)),
    source: 'rollups',
    notice:
      `For display only, since ${why}: figures of all inferences since ${since.toISOString()}, over every split of that time. Units are not ` +
      'known, and without them no effect can be told from chance. Start an experiment to compare.',
    ...{ experiment: null, look: null, stale: null, metrics: [], srm: null },
    arms: armsOf(variants).map(({ model }) => {
      const own = figures.find((one) => one.model === model);
      return armView(model, variants, {
        ...{ units: null, requests: own?.requests ?? 0, failures: own?.failures ?? 0 },
        ...{ inputTokens: own?.inputTokens ?? 0, outputTokens: own?.outputTokens ?? 0 },
        ...{ costMicroUsd: own?.costMicroUsd ?? 0, withCost: own?.withCost ?? 0 },
        latencyMs: quantilesMs(own?.latency ?? {}),
      });
    }),
  };
}

async function frameOf(tx: Tx, since: Date, { group, until }: Context) {
  return {
    ...{ group: group.name, groupId: group.id, phase: group.phase },
    ...{ since: since.toISOString(), until: until.toISOString() },
    shadows: await shadowFigures(tx, group.organization_id, group.id, since),
  };
}

/** The champion first, then the challengers. */
function armsOf(variants: readonly VariantRow[]): VariantRow[] {
  const withRole = (role: VariantRow['role']) => variants.filter((variant) => variant.role === role);
  return [...withRole('champion'), ...withRole('challenger')];
}

function armView(
  model: string,
  variants: readonly VariantRow[],
  figures: Omit<ComparisonView['arms'][number], 'model' | 'role' | 'weightBp' | 'errorRate'>,
): ComparisonView['arms'][number] {
  const variant = variants.find((one) => one.model === model);
  const { requests, failures, costMicroUsd, withCost } = figures;
  return {
    ...{ model, role: variant?.role ?? 'challenger', weightBp: variant?.weight_bp ?? 0 },
    ...figures,
    errorRate: requests === 0 ? null : failures / requests,
    costMicroUsd: withCost === 0 ? null : costMicroUsd,
  };
}

function quantilesMs(latency: Histogram): ComparisonView['arms'][number]['latencyMs'] {
  const at = (q: number) => quantileOf(latency, q);
  const [p50, p95, p99] = [at(0.5), at(0.95), at(0.99)];
  return p50 === undefined ? null : inMs({ p50, p95: p95!, p99: p99! }, NS_PER_MS);
}

function inMs({ p50, p95, p99 }: { p50: number; p95: number; p99: number }, perMs: number) {
  return { p50: p50 / perMs, p95: p95 / perMs, p99: p99 / perMs };
}

/** The present split of a group as an experiment of one phase. */
function observationOfRows(arms: readonly VariantRow[], figures: readonly RowFigures[], until: Date): Observation {
  const of = (count: (of: RowFigures) => number) =>
    arms.map((_, arm) => {
      const own = figures.find((one) => one.arm === arm);
      return own === undefined ? 0 : count(own);
    });
  return {
    ...{ atMs: until.getTime(), arms: arms.map(({ model }) => model), phase: 1, minSrmP: 1, metrics: {} },
    phases: [
      {
        ...{ phase: 1, weightsBp: arms.map(({ weight_bp }) => weight_bp), units: of(({ units }) => units) },
        failingUnits: of(({ failingUnits }) => failingUnits),
        ...{ requests: of(({ requests }) => requests), failures: of(({ failures }) => failures) },
      },
    ],
    evidence: { lost: 0, underWay: 0, lastAtMs: null, broken: [] },
  };
}

/** Each metric looked at as if it were the primary one, with the α of the experiment. */
function metricViews(
  lookAt: LookAt,
  definition: ExperimentDefinition,
  observation: Observation,
  sums: readonly MetricSums[],
): ComparisonView['metrics'] {
  const byMetric = Map.groupBy(sums, ({ metric }) => metric);
  return COMPARED.map((metric) => {
    const isRate = BUILTIN_METRICS[metric].kind === 'rate';
    const primary = { metric, relative: !isRate, minimumEffect: isRate ? 0.01 : 0.05 };
    const phases: PhaseSums[] = phaseSums(byMetric.get(metric) ?? [], observation.arms.length);
    const look = lookAt(
      { ...definition, primary, guardrails: [], fastGuard: null },
      { ...observation, metrics: phases.length === 0 ? {} : { [metric]: phases } },
    );
    return {
      metric,
      challengers: look.comparisons.map(({ challenger, primary: result, verdict, reasons }) => ({
        ...{ challenger, verdict, reasons: [...reasons] },
        result: structuredClone(result!),
      })),
    };
  });
}
