import { maxOutputTokensSchema } from '#core/snapshot/schema.ts';
import {
  type DeploymentRow,
  deleteModel,
  deploymentsOf,
  findModel,
  groupsWithModel,
  insertModel,
  listModels,
  type ModelRow,
  replaceDeployments,
  updateModel,
} from '#store/models.ts';
import type { RowLock } from '#store/named-rows.ts';
import type { Tx } from '#store/pool.ts';
import type { Clock } from '../clock.ts';
import type { Entropy } from '../entropy.ts';
import type { ChangeCall, ReadCall } from '../http/operation.ts';
import { requireMatch } from '../http/preconditions.ts';
import { validate } from '../http/validate.ts';
import { decodeNameCursor, type Page, toPage } from '../paging.ts';
import { inUse, invalid, notFound } from '../problem.ts';
import type { Change } from '../publish/change.ts';
import { created, deleted, type ListQuery, updated } from '../publish/outcome.ts';
import { beginPhases, changedIn, holdComparisons } from '../rollout/new-phase.ts';
import { deploymentRows, wantedDeployments } from './deployments.ts';
import { type JsonObject, mergePatch } from './merge-patch.ts';
import { type CreateModel, type ModelView, metaPricesSchema, type UpdateModel } from './model-schemas.ts';

const MAX_META_BYTES = 65_536;

/** The models of an organization. Every function works in the caller's transaction. */
export function createModels({ entropy, clock }: { readonly entropy: Entropy; readonly clock: Clock }) {
  return {
    async list(tx: Tx, { organizationId, query }: ReadCall<ListQuery>): Promise<Page<ModelView>> {
      const after = decodeNameCursor(query.cursor);
      const rows = await listModels(tx, organizationId, { after, limit: query.limit + 1 });
      const ids = rows.map((row) => row.id);
      const deployments = await deploymentsOf(tx, organizationId, ids);
      return toPage(
        rows,
        query.limit,
        (row) => viewOf(row, deployments.get(row.id) ?? []),
        (row) => row.name,
      );
    },

    async get(tx: Tx, { organizationId, ref }: ReadCall<object>): Promise<ModelView> {
      const row = await find(tx, organizationId, ref);
      return viewOf(row, await deploymentsOfOne(tx, row));
    },

    async create(tx: Tx, { organizationId, body }: ChangeCall<CreateModel>): Promise<Change> {
      const wanted = wantedDeployments(body, []);
      if (wanted === undefined) {
        throw invalid([{ field: 'provider', message: 'is required, with upstreamModel; or send deployments' }]);
      }
      const id = entropy.id();
      const deployments = await deploymentRows(tx, organizationId, id, wanted);
      const meta = metaText(body.meta ?? {});
      const row = await insertModel(tx, { id, organization_id: organizationId, name: body.name, meta });
      await replaceDeployments(tx, organizationId, id, deployments);
      return created('model', viewOf(row, await deploymentsOfOne(tx, row)));
    },

    async update(tx: Tx, { organizationId, ref, body, ifMatch, actor }: ChangeCall<UpdateModel>): Promise<Change> {
      const { id } = await find(tx, organizationId, ref);
      const held = await holdComparisons(tx, organizationId, { kind: 'model', id });
      const row = await find(tx, organizationId, id, 'update');
      requireMatch(ifMatch, row.version);
      const present = await deploymentsOfOne(tx, row);
      const wanted = wantedDeployments(body, present);
      if (wanted !== undefined) {
        const deployments = await deploymentRows(tx, organizationId, row.id, wanted);
        await replaceDeployments(tx, organizationId, row.id, deployments);
      }
      const after = await updateModel(tx, organizationId, row.id, {
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(body.meta === undefined ? {} : { meta: metaText(mergePatch(row.meta, body.meta)) }),
      });
      const deployed = await deploymentsOfOne(tx, after);
      const effect = await beginPhases(tx, held, {
        ...{ what: `the model "${after.name}"`, actor, nowMs: clock.nowMs() },
        changed: changedIn(conditionsOf(row, present), conditionsOf(after, deployed)),
      });
      return updated('model', viewOf(row, present), viewOf(after, deployed), {}, effect);
    },

    async remove(tx: Tx, { organizationId, ref, ifMatch }: ChangeCall<unknown>): Promise<Change> {
      const row = await find(tx, organizationId, ref, 'update');
      requireMatch(ifMatch, row.version);
      const groups = await groupsWithModel(tx, organizationId, row.id);
      if (groups.length > 0) throw inUse('model', row.name, 'groups', groups);
      await deleteModel(tx, organizationId, row.id);
      return deleted('model', viewOf(row, await deploymentsOfOne(tx, row)));
    },
  };
}

async function find(tx: Tx, organizationId: string, ref: string, lock?: RowLock): Promise<ModelRow> {
  const row = await findModel(tx, organizationId, ref, lock);
  if (row === undefined) throw notFound('model', ref);
  return row;
}

/** What gateways go by when they ask it. */
function conditionsOf({ meta }: ModelRow, deployments: readonly DeploymentRow[]) {
  return {
    deployments: deployments.map(({ provider_id, upstream_model, weight }) => ({
      provider_id,
      upstream_model,
      weight,
    })),
    maxOutputTokens: meta['maxOutputTokens'],
    prices: meta['prices'],
  };
}

async function deploymentsOfOne(tx: Tx, row: ModelRow): Promise<DeploymentRow[]> {
  return (await deploymentsOf(tx, row.organization_id, [row.id])).get(row.id) ?? [];
}

function metaText(meta: JsonObject): string {
  const limit = meta['maxOutputTokens'];
  if (limit !== undefined && !maxOutputTokensSchema.safeParse(limit).success) {
    throw invalid([{ field: 'meta.maxOutputTokens', message: 'is no whole number from 1 to 10000000' }]);
  }
  if (meta['prices'] !== undefined) validate(metaPricesSchema, meta['prices'], 'meta.prices');
  const text = JSON.stringify(meta);
  if (Buffer.byteLength(text) <= MAX_META_BYTES) return text;
  throw invalid([{ field: 'meta', message: `is longer than ${MAX_META_BYTES} bytes of JSON` }]);
}

function viewOf(row: ModelRow, deployments: readonly DeploymentRow[]): ModelView {
  const [first] = deployments;
  const shorthand =
    first !== undefined && deployments.length === 1
      ? { provider: first.provider, upstreamModel: first.upstream_model }
      : {};
  return {
    id: row.id,
    name: row.name,
    ...shorthand,
    deployments: deployments.map((deployment) => ({
      provider: deployment.provider,
      upstreamModel: deployment.upstream_model,
      weight: deployment.weight,
      zone: deployment.zone,
    })),
    meta: row.meta,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
