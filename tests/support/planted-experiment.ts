import { createHash, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { type Histogram, observe } from '#core/histogram.ts';
import { rolloutPlanSchema } from '#core/rollout/plan.ts';
import type { RolloutState } from '#core/rollout/state.ts';
import type { Db } from '#store/pool.ts';

/** An experiment that a test puts into the store by hand. */
export interface PlantedExperiment {
  readonly organizationId: string;
  readonly groupId: string;
  readonly name?: string;
  readonly arms?: readonly string[];
  readonly definition?: object;
  readonly state?: RolloutState;
  readonly startedAt?: Date;
  readonly endedAt?: Date | null;
  /** By phase, from 1 on: the buckets of each arm. */
  readonly phases?: readonly (readonly number[])[];
  readonly createdAt?: Date;
}

/** Puts a rollout and the phases of its experiment into the store. @returns its id */
export async function plantExperiment(db: Db, planted: PlantedExperiment): Promise<string> {
  const { organizationId, groupId, arms = ['a', 'b'], phases = [[5_000, 5_000]] } = planted;
  const id = randomUUID();
  await db
    .insertInto('rollouts')
    .values({
      ...{ id, organization_id: organizationId, group_id: groupId, name: planted.name ?? `x-${id}` },
      definition: JSON.stringify(experimentDefinitionSchema.parse(planted.definition ?? {})),
      plan: JSON.stringify(rolloutPlanSchema.parse({ strategy: { kind: 'ab' } })),
      arms: JSON.stringify(arms.map((model) => ({ modelId: randomUUID(), model }))),
      state: planted.state ?? 'deciding',
      phase: phases.length,
      started_at: planted.startedAt ?? new Date(),
      ended_at: planted.endedAt ?? null,
      ...(planted.createdAt === undefined ? {} : { created_at: planted.createdAt }),
    })
    .execute();
  for (const [index, weightsBp] of phases.entries()) {
    await db
      .insertInto('experiment_phases')
      .values({
        ...{ experiment_id: id, phase: index + 1, organization_id: organizationId },
        weights_bp: JSON.stringify(weightsBp),
      })
      .execute();
  }
  return id;
}

/** What one inference adds. Times in microseconds; the histograms of totals are of nanoseconds. Null: not known of it. */
export interface CountedInference {
  readonly phase: number;
  readonly arm: number;
  readonly unit: string;
  readonly failed: boolean;
  readonly latencyUs: number;
  readonly outputTokens: number | null;
  readonly costMicroUsd: number | null;
}

export const unitId = (unit: string) => createHash('md5').update(unit).digest('hex');

/** Counts inferences as the shipper does, a batch at a time. */
export async function countInferences(
  db: Db,
  place: { readonly organizationId: string; readonly experimentId: string; readonly gatewayId?: string },
  inferences: readonly CountedInference[],
): Promise<void> {
  const { organizationId, experimentId, gatewayId = GATEWAY } = place;
  const units = [...Map.groupBy(inferences, ({ phase, arm, unit }) => `${phase}/${arm}/${unit}`).values()];
  for (let start = 0; start < units.length; start += 500) {
    const rows = units.slice(start, start + 500).map((list) => unitRow(list));
    await sql`INSERT INTO ringside.experiment_units AS u
      SELECT (jsonb_populate_record(NULL::ringside.experiment_units,
        row || jsonb_build_object('experiment_id', ${experimentId}::text, 'organization_id', ${organizationId}::text))).*
      FROM jsonb_array_elements(${JSON.stringify(rows)}::jsonb) AS row
      ON CONFLICT (experiment_id, phase, arm, unit) DO UPDATE SET ${sql.join(
        COUNTED.map((column) => sql`${sql.ref(column)} = u.${sql.ref(column)} + excluded.${sql.ref(column)}`),
      )}`.execute(db);
  }
  for (const list of Map.groupBy(inferences, ({ phase, arm }) => `${phase}/${arm}`).values()) {
    const latency: Histogram = {};
    for (const { failed, latencyUs } of list) if (!failed) observe(latency, latencyUs * 1_000);
    const { phase, arm } = list[0]!;
    // Units are counted anew from the table that has just been written.
    await sql`WITH counted AS (
        SELECT count(*) AS units, count(*) FILTER (WHERE failures > 0) AS failing FROM ringside.experiment_units
        WHERE experiment_id = ${experimentId} AND phase = ${phase} AND arm = ${arm})
      INSERT INTO ringside.experiment_totals AS t
        (experiment_id, phase, arm, gateway_id, organization_id, units, failing_units, requests, failures, latency, last_at)
      SELECT ${experimentId}, ${phase}, ${arm}, ${gatewayId}, ${organizationId}, units, failing, ${list.length}::bigint,
        ${list.filter(({ failed }) => failed).length}::bigint, ${JSON.stringify(latency)}::jsonb, now() FROM counted
      ON CONFLICT (experiment_id, phase, arm, gateway_id) DO UPDATE SET units = excluded.units, failing_units = excluded.failing_units,
        requests = t.requests + excluded.requests, failures = t.failures + excluded.failures,
        latency = ringside.add_histograms(t.latency, excluded.latency), last_at = excluded.last_at`.execute(db);
  }
}

const GATEWAY = '01890000-0000-7000-8000-00000000000a';
const COUNTED = [
  ...['requests', 'failures', 'over_objective', 'latency_us', 'latency_n', 'first_token_us', 'first_token_n'],
  ...[
    'first_token_over',
    'input_tokens',
    'output_tokens',
    'usage_n',
    'without_input',
    'without_output',
    'cost_micro_usd',
    'cost_n',
    'cache_hits',
    'refusals',
  ],
];

function unitRow(list: readonly CountedInference[]) {
  const { phase, arm, unit } = list[0]!;
  const total = (amount: (one: CountedInference) => number) => list.reduce((sum, one) => sum + amount(one), 0);
  return {
    ...Object.fromEntries(COUNTED.map((column) => [column, 0])),
    ...{ phase, arm, unit: unitId(unit), first_at: new Date().toISOString(), requests: list.length },
    failures: total(({ failed }) => Number(failed)),
    latency_us: total(({ failed, latencyUs }) => (failed ? 0 : latencyUs)),
    latency_n: total(({ failed }) => Number(!failed)),
    output_tokens: total(({ outputTokens }) => outputTokens ?? 0),
    // Of each something was said, of some nothing about the answer.
    usage_n: list.length,
    without_input: list.length,
    without_output: total(({ outputTokens }) => Number(outputTokens === null)),
    cost_micro_usd: total(({ costMicroUsd }) => costMicroUsd ?? 0),
    cost_n: total(({ costMicroUsd }) => Number(costMicroUsd !== null)),
  };
}
