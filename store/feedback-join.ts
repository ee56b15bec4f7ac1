import { sql } from 'kysely';
import type { ExperimentDefinition } from '#core/experiments/definition.ts';
import type { Tx } from './pool.ts';

/** A report that waits for its inference. `value`: the text of a numeric. */
export interface PendingFeedback {
  readonly organizationId: string;
  readonly id: string;
  readonly inferenceId: string | null;
  /** Of the key that it was sent with. */
  readonly keyId: string;
  readonly metric: string;
  readonly kind: 'numeric' | 'boolean' | 'label' | 'comment';
  readonly value: string | null;
  readonly label: string | null;
  readonly at: Date;
  /** How long ago a gateway got it. */
  readonly waitedMs: number;
}

/** An inference that counts in an experiment. */
export interface CountedInference {
  readonly inferenceId: string;
  readonly organizationId: string;
  readonly groupId: string;
  readonly experimentId: string;
  readonly phase: number;
  readonly arm: number;
  readonly unit: string;
  readonly isShadow: boolean;
  readonly createdAt: Date;
}

export interface StoredInference {
  readonly id: string;
  readonly organizationId: string;
  readonly groupId: string;
  readonly isShadow: boolean;
  readonly createdAt: Date;
}

/** What a report has become. Without an experiment it counts in none. */
export interface Settlement {
  readonly organizationId: string;
  readonly id: string;
  readonly state: 'joined' | 'unmatched';
  readonly inferenceId: string | null;
  readonly experimentId: string | null;
  readonly phase: number | null;
  readonly arm: number | null;
  readonly isShadow: boolean;
  readonly delayMs: number | null;
}

/** What one report adds to its unit: 1 to the count, `value` to the sum. */
export interface Contribution
  extends Pick<CountedInference, 'experimentId' | 'phase' | 'arm' | 'unit' | 'organizationId'> {
  readonly metric: string;
  readonly value: string;
}

const HOUR_MS = 3_600_000;

/**
 * Reports that are due, the longest due first, locked until the transaction ends; those that another one works on are left to it.
 * For the role `leader`, as everything here.
 */
export async function takePending(tx: Tx, limit: number): Promise<PendingFeedback[]> {
  const { rows } = await sql<PendingFeedback>`
    SELECT organization_id AS "organizationId", id, inference_id AS "inferenceId", key_id AS "keyId", metric, kind, value, label, at,
      (1000 * extract(epoch FROM now() - received_at))::float8 AS "waitedMs"
    FROM feedback WHERE state = 'pending' AND next_at <= now() ORDER BY next_at LIMIT ${limit}
    FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows;
}

const COUNTED = sql`e.inference_id AS "inferenceId", e.organization_id AS "organizationId", e.group_id AS "groupId",
  e.experiment_id AS "experimentId",  e.phase, e.arm, e.unit, e.shadow_of IS NOT NULL AS "isShadow", e.created_at AS "createdAt"`;

/** Those of some inferences that count in an experiment. */
export async function countedInferences(tx: Tx, ids: readonly string[]): Promise<CountedInference[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql<CountedInference>`
    SELECT ${COUNTED} FROM experiment_inferences AS e WHERE e.inference_id = ANY (${[...ids]}::uuid[])`.execute(tx);
  return rows;
}

/**
 * The inferences that reports mean which name a correlation: of their organization, in a group that the reporting key may use, the
 * newest that was there when the report came. A caller that uses a name again means its latest inference; mirrored calls
 * are not the caller's.
 */
export async function correlatedInferences(
  tx: Tx,
  reports: readonly Pick<PendingFeedback, 'organizationId' | 'id'>[],
): Promise<(CountedInference & { readonly feedbackId: string })[]> {
  if (reports.length === 0) return [];
  const organizations = reports.map(({ organizationId }) => organizationId);
  const ids = reports.map(({ id }) => id);
  const { rows } = await sql<CountedInference & { feedbackId: string }>`
    SELECT f.id AS "feedbackId", e.* FROM unnest(${organizations}::uuid[], ${ids}::text[]) AS wanted (organization_id, id)
    JOIN feedback AS f ON f.organization_id = wanted.organization_id AND f.id = wanted.id
    JOIN api_keys AS k ON k.id = f.key_id AND k.organization_id = f.organization_id
    CROSS JOIN LATERAL (
      SELECT ${COUNTED} FROM experiment_inferences AS e
      WHERE e.organization_id = f.organization_id AND e.correlation = f.correlation AND e.shadow_of IS NULL
        AND e.created_at <= f.received_at AND (k.group_ids IS NULL OR e.group_id = ANY (k.group_ids))
      ORDER BY e.created_at DESC, e.inference_id DESC LIMIT 1
    ) AS e`.execute(tx);
  return rows;
}

/** Which groups some keys may use, by key; null: all of its organization. A key that was revoked had them when it reported. */
export async function groupsOfKeys(tx: Tx, keyIds: readonly string[]): Promise<Map<string, readonly string[] | null>> {
  if (keyIds.length === 0) return new Map();
  const rows = await tx.selectFrom('api_keys').select(['id', 'group_ids']).where('id', 'in', keyIds).execute();
  return new Map(rows.map(({ id, group_ids }) => [id, group_ids]));
}

/** Every group of some organizations, deleted ones too. */
export async function groupsOfOrganizations(
  tx: Tx,
  organizationIds: readonly string[],
): Promise<readonly { readonly id: string; readonly organizationId: string }[]> {
  const { rows } = await sql<{ id: string; organizationId: string }>`
    SELECT id, organization_id AS "organizationId" FROM groups
    WHERE organization_id = ANY (${[...organizationIds]}::uuid[])`.execute(tx);
  return rows;
}

/** Those of some inferences that have a row in the log of a group. `times`: of their ids, which rule out partitions. */
export async function storedInferences(
  tx: Tx,
  groupId: string,
  ids: readonly string[],
  times: readonly Date[],
): Promise<StoredInference[]> {
  const { rows } = await sql<StoredInference>`
    SELECT id, organization_id AS "organizationId", group_id AS "groupId", shadow_of IS NOT NULL AS "isShadow", created_at AS "createdAt"
    FROM inferences WHERE group_id = ${groupId} AND created_at = ANY (${[...times]}::timestamptz[])
      AND id = ANY (${[...ids]}::uuid[])`.execute(tx);
  return rows;
}

/** What an experiment measures, and whether its figures are final. */
export interface MeasuringExperiment {
  readonly definition: ExperimentDefinition;
  readonly isClosed: boolean;
}

/** Experiments by id. */
export async function measuringExperiments(tx: Tx, ids: readonly string[]): Promise<Map<string, MeasuringExperiment>> {
  if (ids.length === 0) return new Map();
  const rows = await tx
    .selectFrom('rollouts')
    .select(['id', 'definition', 'closed_at'])
    .where('id', 'in', ids)
    .execute();
  return new Map(rows.map(({ id, definition, closed_at }) => [id, { definition, isClosed: closed_at !== null }]));
}

/** The longest attribution window of any experiment of these organizations, in hours, by organization; those without one lack. */
export async function longestWindows(tx: Tx, organizationIds: readonly string[]): Promise<Map<string, number>> {
  if (organizationIds.length === 0) return new Map();
  const { rows } = await sql<{ id: string; hours: number }>`
    SELECT organization_id AS id, max((definition->>'attributionHours')::float8) AS hours FROM rollouts
    WHERE organization_id = ANY (${[...organizationIds]}::uuid[]) AND definition ? 'attributionHours'
    GROUP BY 1`.execute(tx);
  return new Map(rows.map(({ id, hours }) => [id, hours]));
}

/** Writes down what has become of reports. */
export async function settleFeedback(tx: Tx, settled: readonly Settlement[]): Promise<void> {
  if (settled.length === 0) return;
  const column = <Name extends keyof Settlement>(name: Name) => settled.map((one) => one[name]);
  await sql`
    UPDATE feedback AS f SET state = s.state, joined_at = CASE WHEN s.state = 'joined' THEN now() END,
      inference_id = coalesce(s.inference_id, f.inference_id), experiment_id = s.experiment_id, phase = s.phase, arm = s.arm,
      is_shadow = s.is_shadow, delay_ms = s.delay_ms
    FROM unnest(${column('organizationId')}::uuid[], ${column('id')}::text[], ${column('state')}::text[],
      ${column('inferenceId')}::uuid[], ${column('experimentId')}::uuid[], ${column('phase')}::integer[],
      ${column('arm')}::smallint[], ${column('isShadow')}::boolean[], ${column('delayMs')}::bigint[])
      AS s (organization_id, id, state, inference_id, experiment_id, phase, arm, is_shadow, delay_ms)
    WHERE f.organization_id = s.organization_id AND f.id = s.id`.execute(tx);
}

/** Has reports looked at again after as long as they have waited so far, between a second and an hour. */
export async function postponeFeedback(
  tx: Tx,
  reports: readonly Pick<PendingFeedback, 'organizationId' | 'id'>[],
): Promise<void> {
  if (reports.length === 0) return;
  await sql`
    UPDATE feedback AS f SET next_at = now() + least(greatest(now() - f.received_at, interval '1 second'), ${HOUR_MS / 1_000} * interval '1 second')
    FROM unnest(${reports.map(({ organizationId }) => organizationId)}::uuid[], ${reports.map(({ id }) => id)}::text[])
      AS s (organization_id, id)
    WHERE f.organization_id = s.organization_id AND f.id = s.id`.execute(tx);
}

/**
 * Adds to the sums of units, exactly, and in one order for everyone, so that two never wait for each other in a circle. To an experiment
 * that is closed nothing is added.
 */
export async function addToUnitMetrics(tx: Tx, added: readonly Contribution[]): Promise<void> {
  if (added.length === 0) return;
  const column = <Name extends keyof Contribution>(name: Name) => added.map((one) => one[name]);
  await sql`
    INSERT INTO experiment_unit_metrics AS m (experiment_id, phase, arm, metric, unit, organization_id, n, sum)
    SELECT experiment_id, phase, arm, metric, unit, organization_id, count(*), sum(value)
    FROM unnest(${column('experimentId')}::uuid[], ${column('phase')}::integer[], ${column('arm')}::smallint[],
      ${column('metric')}::text[], ${column('unit')}::uuid[], ${column('organizationId')}::uuid[], ${column('value')}::numeric[])
      AS given (experiment_id, phase, arm, metric, unit, organization_id, value)
    WHERE NOT EXISTS (SELECT FROM rollouts AS r WHERE r.id = given.experiment_id AND r.closed_at IS NOT NULL)
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, metric COLLATE "C", 5
    ON CONFLICT (experiment_id, phase, arm, metric, unit) DO UPDATE SET n = m.n + excluded.n, sum = m.sum + excluded.sum`.execute(
    tx,
  );
}
