import type { ClientBase } from 'pg';
import { ingestSchema } from '#core/experiments/definition.ts';
import { unixMsOfId } from '#core/ids.ts';
import type { OnAlarm } from '../alarms.ts';
import { SUM_COLUMNS } from '../experiment-measures.ts';
import {
  type CountedInference,
  concernsExperiments,
  countExperiments,
  type KnownExperiment,
  knows,
  type ShadowPair,
  type TotalsDelta,
  type UnitDelta,
} from '../experiments.ts';
import type { InferenceRow } from '../record.ts';

/** Counts rows in their experiments, in the transaction that stores them. */
export interface ExperimentCounter {
  /** @param rows those that came in now; of one that came before nothing may count again */
  add(client: ClientBase, gatewayId: string, rows: readonly InferenceRow[]): Promise<void>;
}

interface FoundRollout {
  readonly id: string;
  readonly organizationId: string;
  readonly groupId: string;
  readonly ingest: unknown;
  readonly isClosed: boolean;
}

/** Experiments that were told of. */
const MAX_REMEMBERED = 1_000;
const FIND = `SELECT id, organization_id AS "organizationId", group_id AS "groupId", ingest,
    closed_at IS NOT NULL AS "isClosed" FROM rollouts
  WHERE id = ANY ($1::uuid[]) AND started_at IS NOT NULL`;

/**
 * Rows of an experiment that the store does not know, or that is closed, are stored like any others and count in none, which is told
 * once. It is read with each batch that names it, since it may have been closed meanwhile.
 */
export function createExperimentCounter(onAlarm: OnAlarm): ExperimentCounter {
  const told = new Set<string>();

  const learn = async (client: ClientBase, rows: readonly InferenceRow[]) => {
    const known = new Map<string, KnownExperiment>();
    const closed = new Set<string>();
    const ids = [...new Set(rows.flatMap(({ begin }) => begin.experiment?.id ?? []))];
    if (ids.length === 0) return { known, closed };
    const { rows: found } = await client.query<FoundRollout>({ name: 'experiments', text: FIND, values: [ids] });
    for (const { id, organizationId, groupId, ingest, isClosed } of found) {
      const parsed = ingestSchema.safeParse(ingest);
      if (isClosed) closed.add(id);
      else if (parsed.success) known.set(id, { organizationId, groupId, ingest: parsed.data });
    }
    return { known, closed };
  };

  const tell = (
    rows: readonly InferenceRow[],
    { known, closed }: { known: ReadonlyMap<string, KnownExperiment>; closed: ReadonlySet<string> },
  ) => {
    for (const { begin } of rows.filter((row) => row.begin.experiment !== undefined && !knows(known, row))) {
      const { id } = begin.experiment!;
      if (told.has(id)) continue;
      if (told.size >= MAX_REMEMBERED) told.clear();
      told.add(id);
      if (closed.has(id)) {
        onAlarm(
          'experiment_closed',
          `inferences of group ${begin.groupId} name the experiment ${id}, whose figures are final; they came too late, are stored and count in none`,
        );
        continue;
      }
      onAlarm(
        'experiment_unknown',
        `inferences of group ${begin.groupId} name the experiment ${id}, which the store does not have as a started one of that group; they are stored and count in none`,
      );
    }
  };

  return {
    async add(client, gatewayId, rows) {
      const concerned = rows.filter(concernsExperiments);
      if (concerned.length === 0) return;
      const found = await learn(client, concerned);
      const { known } = found;
      tell(concerned, found);
      const { units, totals, inferences, shadows } = countExperiments(concerned, known);
      if (units.length > 0) await addUnits(client, gatewayId, units, totals);
      if (inferences.length > 0) await insert(client, 'note-counted-inferences', INFERENCES, inferences);
      if (shadows.length > 0) await insert(client, 'note-shadow-pairs', SHADOWS, shadows);
    },
  };
}

/** A table, its columns and what is put there. */
interface Target<Item> {
  readonly table: string;
  readonly columns: readonly {
    readonly name: string;
    readonly type: 'uuid' | 'timestamptz' | 'integer' | 'smallint' | 'bigint' | 'text' | 'jsonb';
    readonly of: (item: Item) => string | number | null;
  }[];
}

const isoOf = (unixMs: number) => new Date(unixMs).toISOString();

const UNITS: Target<UnitDelta> = {
  table: 'experiment_units',
  columns: [
    { name: 'experiment_id', type: 'uuid', of: ({ experimentId }) => experimentId },
    { name: 'phase', type: 'integer', of: ({ phase }) => phase },
    { name: 'arm', type: 'smallint', of: ({ arm }) => arm },
    { name: 'unit', type: 'uuid', of: ({ unit }) => unit },
    { name: 'organization_id', type: 'uuid', of: ({ organizationId }) => organizationId },
    { name: 'first_at', type: 'timestamptz', of: ({ firstAtMs }) => isoOf(firstAtMs) },
    ...SUM_COLUMNS.map((name) => ({ name, type: 'bigint' as const, of: ({ sums }: UnitDelta) => sums[name] })),
  ],
};

type CountedTotals = TotalsDelta & { readonly units: number; readonly failingUnits: number };

const TOTALS: Target<CountedTotals & { readonly gatewayId: string }> = {
  table: 'experiment_totals',
  columns: [
    { name: 'experiment_id', type: 'uuid', of: ({ experimentId }) => experimentId },
    { name: 'phase', type: 'integer', of: ({ phase }) => phase },
    { name: 'arm', type: 'smallint', of: ({ arm }) => arm },
    { name: 'gateway_id', type: 'uuid', of: ({ gatewayId }) => gatewayId },
    { name: 'organization_id', type: 'uuid', of: ({ organizationId }) => organizationId },
    { name: 'units', type: 'bigint', of: ({ units }) => units },
    { name: 'failing_units', type: 'bigint', of: ({ failingUnits }) => failingUnits },
    { name: 'requests', type: 'bigint', of: ({ requests }) => requests },
    { name: 'failures', type: 'bigint', of: ({ failures }) => failures },
    { name: 'latency', type: 'jsonb', of: ({ latency }) => JSON.stringify(latency) },
    { name: 'first_token', type: 'jsonb', of: ({ firstToken }) => JSON.stringify(firstToken) },
    { name: 'last_at', type: 'timestamptz', of: ({ lastAtMs }) => isoOf(lastAtMs) },
  ],
};

const INFERENCES: Target<CountedInference> = {
  table: 'experiment_inferences',
  columns: [
    { name: 'inference_id', type: 'uuid', of: ({ id }) => id },
    { name: 'experiment_id', type: 'uuid', of: ({ experimentId }) => experimentId },
    { name: 'organization_id', type: 'uuid', of: ({ organizationId }) => organizationId },
    { name: 'group_id', type: 'uuid', of: ({ groupId }) => groupId },
    { name: 'phase', type: 'integer', of: ({ phase }) => phase },
    { name: 'arm', type: 'smallint', of: ({ arm }) => arm },
    { name: 'unit', type: 'uuid', of: ({ unit }) => unit },
    { name: 'correlation', type: 'text', of: ({ correlation }) => correlation },
    { name: 'shadow_of', type: 'uuid', of: ({ shadowOf }) => shadowOf },
    { name: 'created_at', type: 'timestamptz', of: ({ id }) => isoOf(unixMsOfId(id)) },
  ],
};

const SHADOWS: Target<ShadowPair> = {
  table: 'shadow_pairs',
  columns: [
    { name: 'shadow_id', type: 'uuid', of: ({ id }) => id },
    { name: 'inference_id', type: 'uuid', of: ({ inferenceId }) => inferenceId },
    { name: 'organization_id', type: 'uuid', of: ({ organizationId }) => organizationId },
    { name: 'group_id', type: 'uuid', of: ({ groupId }) => groupId },
    { name: 'experiment_id', type: 'uuid', of: ({ experimentId }) => experimentId },
    { name: 'shadow_variant', type: 'text', of: ({ shadowVariant }) => shadowVariant },
    { name: 'unit', type: 'uuid', of: ({ unit }) => unit },
    { name: 'created_at', type: 'timestamptz', of: ({ id }) => isoOf(unixMsOfId(id)) },
  ],
};

const added = (table: string, columns: readonly string[]) =>
  columns.map((name) => `${name} = ${table}.${name} + excluded.${name}`).join(', ');

/**
 * A unit is new where what is there afterwards is what was added, and fails for the first time likewise: each row that counts is
 * one request, so no other one can have come before. That holds whoever adds at the same time, since the row is locked.
 * (RETURNING old.… would say it plainly, from PostgreSQL 18 on.)
 */
const ADD_UNITS = `
  WITH given AS MATERIALIZED (SELECT * FROM ${unnested(UNITS)}), counted AS (
    INSERT INTO experiment_units AS u (${namesOf(UNITS)}) SELECT * FROM given
    ON CONFLICT (experiment_id, phase, arm, unit) DO UPDATE SET first_at = least(u.first_at, excluded.first_at),
      ${added('u', SUM_COLUMNS)}
    RETURNING u.experiment_id, u.phase, u.arm, u.unit, u.requests, u.failures
  )
  SELECT experiment_id AS "experimentId", phase, arm, count(*) FILTER (WHERE counted.requests = given.requests) AS units,
    count(*) FILTER (WHERE given.failures > 0 AND counted.failures = given.failures) AS "failingUnits"
  FROM counted JOIN given USING (experiment_id, phase, arm, unit) GROUP BY experiment_id, phase, arm`;

const ADD_TOTALS = `
  INSERT INTO experiment_totals AS t (${namesOf(TOTALS)}) SELECT * FROM ${unnested(TOTALS)}
  ON CONFLICT (experiment_id, phase, arm, gateway_id) DO UPDATE SET
    ${added('t', ['units', 'failing_units', 'requests', 'failures'])}, last_at = greatest(t.last_at, excluded.last_at),
    latency = add_histograms(t.latency, excluded.latency), first_token = add_histograms(t.first_token, excluded.first_token)`;

interface NewUnits {
  readonly experimentId: string;
  readonly phase: number;
  readonly arm: number;
  readonly units: number;
  readonly failingUnits: number;
}

/** Units first, whose rows shippers of several gateways share; then the gateway's own totals. Both in the order of `countExperiments`. */
async function addUnits(
  client: ClientBase,
  gatewayId: string,
  units: readonly UnitDelta[],
  totals: readonly TotalsDelta[],
): Promise<void> {
  const values = valuesOf(UNITS, units);
  const { rows } = await client.query<NewUnits>({ name: 'add-experiment-units', text: ADD_UNITS, values });
  const counted = totals.map((total) => {
    const { experimentId, phase, arm } = total;
    const fresh = rows.find((row) => row.experimentId === experimentId && row.phase === phase && row.arm === arm)!;
    return { ...total, gatewayId, units: fresh.units, failingUnits: fresh.failingUnits };
  });
  await client.query({ name: 'add-experiment-totals', text: ADD_TOTALS, values: valuesOf(TOTALS, counted) });
}

/** What is there stays as it is. */
async function insert<Item>(
  client: ClientBase,
  name: string,
  target: Target<Item>,
  items: readonly Item[],
): Promise<void> {
  const text = `INSERT INTO ${target.table} (${namesOf(target)}) SELECT * FROM ${unnested(target)} ON CONFLICT DO NOTHING`;
  await client.query({ name, text, values: valuesOf(target, items) });
}

function namesOf<Item>({ columns }: Target<Item>): string {
  return columns.map(({ name }) => name).join(', ');
}

function unnested<Item>(target: Target<Item>): string {
  const arrays = target.columns.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ');
  return `UNNEST(${arrays}) AS given (${namesOf(target)})`;
}

function valuesOf<Item>({ columns }: Target<Item>, items: readonly Item[]): (string | number | null)[][] {
  return columns.map(({ of }) => items.map(of));
}
