import type { Insertable, Selectable, Updateable } from 'kysely';
import type { Database } from './database.ts';
import { findNamed, listNamed, type NamePage, type RowLock, retireNamed, updateNamed } from './named-rows.ts';
import type { Tx } from './pool.ts';

export type ModelRow = Selectable<Database['models']>;
export type DeploymentRow = Selectable<Database['deployments']> & { provider: string };

/** The live model with this name or id, if the organization has one. */
export function findModel(
  tx: Tx,
  organizationId: string,
  ref: string,
  lock: RowLock = 'none',
): Promise<ModelRow | undefined> {
  return findNamed(tx, 'models', organizationId, ref, lock);
}

/** Live models by name. */
export function listModels(tx: Tx, organizationId: string, page: NamePage): Promise<ModelRow[]> {
  return listNamed(tx, 'models', organizationId, page);
}

/** The deployments of some models with their provider's name, in order, by model id. */
export async function deploymentsOf(
  tx: Tx,
  organizationId: string,
  modelIds: readonly string[],
): Promise<Map<string, DeploymentRow[]>> {
  if (modelIds.length === 0) return new Map();
  const rows = await tx
    .selectFrom('deployments')
    .innerJoin('providers', 'providers.id', 'deployments.provider_id')
    .selectAll('deployments')
    .select('providers.name as provider')
    .where('deployments.organization_id', '=', organizationId)
    .where('model_id', 'in', modelIds)
    .orderBy('model_id')
    .orderBy('position')
    .execute();
  return Map.groupBy(rows, (row) => row.model_id);
}

/** Inserts a model. Fails on the index `models_name` when the name is taken. */
export function insertModel(tx: Tx, row: Insertable<Database['models']>): Promise<ModelRow> {
  return tx.insertInto('models').values(row).returningAll().executeTakeFirstOrThrow();
}

/** Changes a model and raises its version. */
export function updateModel(
  tx: Tx,
  organizationId: string,
  id: string,
  changes: Updateable<Database['models']>,
): Promise<ModelRow> {
  return updateNamed(tx, 'models', organizationId, id, changes);
}

/** Puts these deployments in the place of a model's present ones. */
export async function replaceDeployments(
  tx: Tx,
  organizationId: string,
  modelId: string,
  rows: readonly Insertable<Database['deployments']>[],
): Promise<void> {
  await tx
    .deleteFrom('deployments')
    .where('organization_id', '=', organizationId)
    .where('model_id', '=', modelId)
    .execute();
  await tx.insertInto('deployments').values(rows).execute();
}

/** Names of the live groups that a model is a variant of. */
export async function groupsWithModel(tx: Tx, organizationId: string, modelId: string): Promise<string[]> {
  const rows = await tx
    .selectFrom('variants')
    .innerJoin('groups', 'groups.id', 'variants.group_id')
    .select('groups.name')
    .where('variants.organization_id', '=', organizationId)
    .where('variants.model_id', '=', modelId)
    .where('groups.deleted_at', 'is', null)
    .orderBy('groups.name')
    .execute();
  return rows.map((row) => row.name);
}

/** Removes a model: its row stays for the log, its name is free again. */
export function deleteModel(tx: Tx, organizationId: string, id: string): Promise<void> {
  return retireNamed(tx, 'models', organizationId, id, {});
}
