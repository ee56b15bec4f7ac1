import { sql } from 'kysely';
import { type SnapshotGroup, snapshotSchema } from '#core/snapshot/schema.ts';
import type { Tx } from './pool.ts';

/** A group as gateways are told to serve it, and the names of the organization's models by id. */
export interface PublishedGroup {
  readonly version: number;
  readonly group: SnapshotGroup;
  readonly modelNames: Readonly<Record<string, string>>;
}

/** The group in the organization's newest snapshot, of which nothing else is read; undefined when it is not in there. */
export async function publishedGroup(
  tx: Tx,
  organizationId: string,
  groupId: string,
): Promise<PublishedGroup | undefined> {
  const { rows } = await sql<{ version: number; group: unknown; modelNames: Record<string, string> | null }>`
    SELECT version,
      (SELECT entry FROM jsonb_array_elements(document->'groups') AS entry WHERE entry->>'id' = ${groupId}) AS "group",
      (SELECT jsonb_object_agg(entry->>'id', entry->>'name') FROM jsonb_array_elements(document->'models') AS entry) AS "modelNames"
    FROM snapshots WHERE organization_id = ${organizationId} ORDER BY version DESC LIMIT 1`.execute(tx);
  const [newest] = rows;
  if (newest === undefined || newest.group === null) return undefined;
  const group = snapshotSchema.shape.groups.element.parse(newest.group);
  return { version: newest.version, group, modelNames: newest.modelNames ?? {} };
}
