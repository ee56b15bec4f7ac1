import { type Insertable, type Selectable, sql, type Updateable } from 'kysely';
import type { Database } from './database.ts';
import type { Tx } from './pool.ts';
import { idFirst, type NamePage, type RowLock, referredTo } from './references.ts';

export type ModelRow = Selectable<Database['models']>;
export type DeploymentRow = Selectable<Database['deployments']> & { provider: string };

/** The live model with this name or id, if the organization has one. */
export function findModel(
  tx: Tx,
  organizationId: string,
  ref: string,
  lock: RowLock = 'none',
): Promise<ModelRow | undefined> {
  return tx
    .selectFrom('models')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .where(referredTo(ref))
    .orderBy(idFirst(ref))
    .limit(1)
    .$if(lock === 'update', (query) => query.forUpdate())
    .$if(lock === 'share', (query) => query.forShare())
    .executeTakeFirst();
}

/** Live models by name. */
export function listModels(tx: Tx, organizationId: string, page: NamePage): Promise<ModelRow[]> {
  return tx
    .selectFrom('models')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .$if(page.after !== undefined, (query) => query.where('name', '>', page.after!))
    .orderBy('name')
    .limit(page.limit)
    .execute();
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
  return tx
    .updateTable('models')
    .set({ ...changes, version: sql`version + 1`, updated_at: sql`now()` })
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
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
export async function deleteModel(tx: Tx, organizationId: string, id: string): Promise<void> {
  await tx
    .updateTable('models')
    .set({ deleted_at: sql`now()`, updated_at: sql`now()` })
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .execute();
}
