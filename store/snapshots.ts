import { sql } from 'kysely';
import { type Prices, pricesSchema } from '#core/prices.ts';
import { compileSnapshot } from '#core/snapshot/compile.ts';
import { spoolPolicySchema } from '#core/snapshot/log-policy.ts';
import {
  DEFAULT_MAX_OUTPUT_TOKENS,
  maxOutputTokensSchema,
  type SnapshotDocument,
  type SnapshotExperiment,
  snapshotSchema,
} from '#core/snapshot/schema.ts';
import { shadowPolicySchema } from '#core/snapshot/shadow-policy.ts';
import { trafficPolicySchema } from '#core/snapshot/traffic-policy.ts';
import { keepPhases } from './experiment-phases.ts';
import type { VariantRow } from './groups.ts';
import { CHANNELS } from './notifications.ts';
import type { Db, Tx } from './pool.ts';
import { runningRollouts } from './rollouts.ts';

/** Versions are handed out and committed in one order, so that a reader who saw version n never misses a smaller one. */
const PUBLISH_LOCK = 0x72696e67;
const KEPT_PER_ORGANIZATION = 50;

/**
 * Publishes the organization's configuration as it stands in this transaction. Call it after all changes, last but for the
 * audit entry. Throws when the result would not compile: then nothing of the transaction may be kept.
 * @returns the new snapshot version
 */
export async function publishSnapshot(tx: Tx, organizationId: string): Promise<number> {
  await sql`SELECT pg_advisory_xact_lock(${PUBLISH_LOCK})`.execute(tx);
  const document = snapshotSchema.parse(await readDocument(tx, organizationId));
  const { rows } = await sql<{ version: number }>`SELECT nextval('config_version') AS version`.execute(tx);
  const version = rows[0]!.version;
  compileSnapshot(document, version);
  await tx
    .insertInto('snapshots')
    .values({ version, organization_id: organizationId, document: JSON.stringify(document) })
    .execute();
  await keepPhases(tx, document);
  await sql`DELETE FROM snapshots WHERE organization_id = ${organizationId} AND version < (
    SELECT min(version) FROM (SELECT version FROM snapshots WHERE organization_id = ${organizationId}
    ORDER BY version DESC LIMIT ${KEPT_PER_ORGANIZATION}) AS kept)`.execute(tx);
  await sql`SELECT pg_notify(${CHANNELS.config}, ${String(version)})`.execute(tx);
  return version;
}

/** Takes the next key version, under the same ordering promise as snapshots. */
export async function nextKeyVersion(tx: Tx): Promise<number> {
  await sql`SELECT pg_advisory_xact_lock(${PUBLISH_LOCK})`.execute(tx);
  const { rows } = await sql<{ version: number }>`SELECT nextval('key_version') AS version`.execute(tx);
  await sql`SELECT pg_notify(${CHANNELS.keys}, ${String(rows[0]!.version)})`.execute(tx);
  return rows[0]!.version;
}

async function readDocument(tx: Tx, organizationId: string): Promise<SnapshotDocument> {
  const organization = await tx
    .selectFrom('organizations')
    .select(['id', 'name'])
    .where('id', '=', organizationId)
    .executeTakeFirstOrThrow();
  const providers = await tx
    .selectFrom('providers')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .orderBy('name')
    .execute();
  const models = await tx
    .selectFrom('models')
    .select(['id', 'name', 'created_at', 'meta'])
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .orderBy('name')
    .execute();
  const deployments = await tx
    .selectFrom('deployments')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .orderBy('model_id')
    .orderBy('position')
    .execute();
  const groups = await tx
    .selectFrom('groups')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .orderBy('name')
    .execute();
  const variants = await tx
    .selectFrom('variants')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .orderBy('group_id')
    .orderBy('position')
    .execute();
  const experiments = await runningExperiments(tx, organizationId, variants);
  const deploymentsOf = Map.groupBy(deployments, (deployment) => deployment.model_id);
  const variantsOf = Map.groupBy(variants, (variant) => variant.group_id);
  return {
    schema: 1,
    organizationId: organization.id,
    organizationName: organization.name,
    providers: providers.map((provider) => ({
      id: provider.id,
      name: provider.name,
      kind: provider.kind as SnapshotDocument['providers'][number]['kind'],
      baseUrl: provider.base_url,
      credentials: provider.credentials,
      timeouts: provider.timeouts,
      ...(provider.definition === null ? {} : { definition: provider.definition }),
    })),
    models: models.map((model) => ({
      id: model.id,
      name: model.name,
      createdAt: model.created_at.toISOString(),
      maxOutputTokens: maxOutputTokensOf(model.meta),
      ...pricesOf(model.meta),
      deployments: (deploymentsOf.get(model.id) ?? []).map((deployment) => ({
        providerId: deployment.provider_id,
        upstreamModel: deployment.upstream_model,
        weight: deployment.weight,
      })),
    })),
    groups: groups.map((group) => ({
      id: group.id,
      name: group.name,
      createdAt: group.created_at.toISOString(),
      salt: group.salt,
      hashVersion: group.hash_version,
      phase: group.phase,
      capture: group.capture,
      log: spoolPolicySchema.parse(group.log),
      traffic: trafficPolicySchema.parse(group.traffic),
      shadow: shadowPolicySchema.parse(group.shadow),
      experiment: experiments.get(group.id),
      variants: (variantsOf.get(group.id) ?? []).map((variant) => ({
        modelId: variant.model_id,
        role: variant.role,
        weightBp: variant.weight_bp,
        ranges: variant.ranges.map(([from, to]): [number, number] => [from, to]),
      })),
    })),
  };
}

/**
 * The experiments that inferences count in now, by group. Nobody counts in one whose arm is no variant of its group: a dry run of a
 * challenger that is not there.
 */
async function runningExperiments(
  tx: Tx,
  organizationId: string,
  variants: readonly Pick<VariantRow, 'group_id' | 'model_id' | 'ranges'>[],
): Promise<Map<string, SnapshotExperiment>> {
  const experiments = new Map<string, SnapshotExperiment>();
  for (const { id, group_id, arms, control, phase, definition } of await runningRollouts(tx, organizationId)) {
    const ranges = arms.map(({ modelId }, arm) => {
      const variant = variants.find((each) => each.group_id === group_id && each.model_id === modelId);
      return variant && (arm === 0 ? control : variant.ranges);
    });
    if (ranges.includes(undefined)) continue;
    const counted = arms.map(({ modelId }, arm) => ({
      modelId,
      ranges: ranges[arm]!.map(([from, to]): [number, number] => [from, to]),
    }));
    experiments.set(group_id, { id, phase, arms: counted, correlationKey: definition.correlationKey });
  }
  return experiments;
}

/** `maxOutputTokens` of a model's meta. In one of a release that did not check it, what is no sane number counts as not there. */
function maxOutputTokensOf(meta: unknown): number {
  return maxOutputTokensSchema.safeParse(saidIn(meta, 'maxOutputTokens')).data ?? DEFAULT_MAX_OUTPUT_TOKENS;
}

/** The same for its prices: what cannot be one leaves the cost unknown. */
function pricesOf(meta: unknown): { prices?: Prices } {
  const prices = pricesSchema.safeParse(saidIn(meta, 'prices')).data;
  return prices === undefined ? {} : { prices };
}

function saidIn(meta: unknown, field: string): unknown {
  return typeof meta === 'object' && meta !== null ? (meta as Record<string, unknown>)[field] : undefined;
}

/** A published snapshot as it is stored; gateways check the document themselves. */
export interface PublishedSnapshot {
  readonly version: number;
  readonly organizationId: string;
  readonly document: unknown;
}

/** The newest snapshot of each organization among those newer than `afterVersion`. */
export async function snapshotsSince(db: Db, afterVersion: number): Promise<PublishedSnapshot[]> {
  const rows = await db
    .selectFrom('snapshots')
    .distinctOn('organization_id')
    .select(['version', 'organization_id', 'document'])
    .where('version', '>', afterVersion)
    .orderBy('organization_id')
    .orderBy('version', 'desc')
    .execute();
  return rows.map((row) => ({ version: row.version, organizationId: row.organization_id, document: row.document }));
}

/** The newest configuration and key versions of an organization; 0 where there is none yet. */
export async function latestVersions(
  tx: Tx,
  organizationId: string,
): Promise<{ snapshotVersion: number; keyVersion: number }> {
  const { rows } = await sql<{ snapshotVersion: number; keyVersion: number }>`SELECT
    (SELECT COALESCE(max(version), 0) FROM snapshots WHERE organization_id = ${organizationId}) AS "snapshotVersion",
    (SELECT COALESCE(max(key_version), 0) FROM api_keys WHERE organization_id = ${organizationId}) AS "keyVersion"`.execute(
    tx,
  );
  return rows[0]!;
}

/** The newest versions of all organizations; 0 where there is none. For the role `gateway`. */
export async function newestVersions(db: Db): Promise<{ snapshot: number; keys: number }> {
  const { rows } = await sql<{ snapshot: number; keys: number }>`
    SELECT coalesce((SELECT max(version) FROM snapshots), 0) AS snapshot,
      coalesce((SELECT max(key_version) FROM api_keys), 0) AS keys`.execute(db);
  return rows[0]!;
}
