import { API_KEY_PREFIX, digestSecret, formatSecret, secretHint } from '#core/credentials.ts';
import { allGroups, findGroup } from '#store/groups.ts';
import { deleteKey, findKey, insertKey, type KeyRow, listKeys, updateKey } from '#store/keys.ts';
import type { RowLock } from '#store/named-rows.ts';
import type { Tx } from '#store/pool.ts';
import { nextKeyVersion } from '#store/snapshots.ts';
import type { Clock } from '../clock.ts';
import type { Entropy } from '../entropy.ts';
import type { ChangeCall, ReadCall } from '../http/operation.ts';
import { requireMatch } from '../http/preconditions.ts';
import { decodeNameCursor, type Page, toPage } from '../paging.ts';
import { type Issue, invalid, notFound, refuseIssues } from '../problem.ts';
import type { Change } from '../publish/change.ts';
import { created, deleted, type ListQuery, updated } from '../publish/outcome.ts';
import type { CreateKey, KeyView, UpdateKey } from './key-schemas.ts';

export interface KeysDeps {
  readonly pepper: Uint8Array;
  readonly entropy: Entropy;
  readonly clock: Clock;
}

/** The API keys of an organization. Every function works in the caller's transaction. */
export function createKeys({ pepper, entropy, clock }: KeysDeps) {
  return {
    async list(tx: Tx, { organizationId, query }: ReadCall<ListQuery>): Promise<Page<KeyView>> {
      const after = decodeNameCursor(query.cursor);
      const rows = await listKeys(tx, organizationId, { after, limit: query.limit + 1 });
      const names = await liveGroupNames(tx, organizationId);
      return toPage(
        rows,
        query.limit,
        (row) => viewOf(row, names),
        (row) => row.name,
      );
    },

    async get(tx: Tx, { organizationId, ref }: ReadCall<object>): Promise<KeyView> {
      return viewOf(await find(tx, organizationId, ref), await liveGroupNames(tx, organizationId));
    },

    async create(tx: Tx, { organizationId, body }: ChangeCall<CreateKey>): Promise<Change> {
      const columns = await columnsOf(tx, organizationId, body, clock);
      const key = formatSecret(API_KEY_PREFIX, entropy.bytes(32));
      const version = await nextKeyVersion(tx);
      const row = await insertKey(tx, {
        id: entropy.id(),
        organization_id: organizationId,
        name: body.name,
        digest: digestSecret(pepper, key),
        hint: secretHint(key),
        key_version: version,
        ...columns,
      });
      const view = viewOf(row, await liveGroupNames(tx, organizationId));
      return created('key', view, { kind: 'keys', version }, { key });
    },

    async update(tx: Tx, { organizationId, ref, body, ifMatch }: ChangeCall<UpdateKey>): Promise<Change> {
      const row = await find(tx, organizationId, ref, 'update');
      requireMatch(ifMatch, row.version);
      const columns = await columnsOf(tx, organizationId, body, clock);
      const version = await nextKeyVersion(tx);
      const after = await updateKey(tx, organizationId, row.id, {
        ...(body.name === undefined ? {} : { name: body.name }),
        ...columns,
        key_version: version,
      });
      const names = await liveGroupNames(tx, organizationId);
      return updated('key', viewOf(row, names), viewOf(after, names), {}, { kind: 'keys', version });
    },

    async remove(tx: Tx, { organizationId, ref, ifMatch }: ChangeCall<unknown>): Promise<Change> {
      const row = await find(tx, organizationId, ref, 'update');
      requireMatch(ifMatch, row.version);
      const version = await nextKeyVersion(tx);
      await deleteKey(tx, organizationId, row.id, version);
      const view = viewOf(row, await liveGroupNames(tx, organizationId));
      return deleted('key', view, { kind: 'keys', version });
    },
  };
}

async function find(tx: Tx, organizationId: string, ref: string, lock?: RowLock): Promise<KeyRow> {
  const row = await findKey(tx, organizationId, ref, lock);
  if (row === undefined) throw notFound('key', ref);
  return row;
}

/** The columns that a request sets; absent fields set none. @throws Problem `invalid` */
async function columnsOf(tx: Tx, organizationId: string, body: UpdateKey, clock: Clock) {
  if (typeof body.expiresAt === 'string' && Date.parse(body.expiresAt) <= clock.nowMs()) {
    throw invalid([{ field: 'expiresAt', message: 'is in the past' }]);
  }
  return {
    ...(body.groups === undefined ? {} : { group_ids: await groupIdsOf(tx, organizationId, body.groups) }),
    ...(body.defaultUnit === undefined ? {} : { default_unit: body.defaultUnit }),
    ...(body.expiresAt === undefined ? {} : { expires_at: body.expiresAt === null ? null : new Date(body.expiresAt) }),
  };
}

async function groupIdsOf(tx: Tx, organizationId: string, refs: readonly string[] | null): Promise<string[] | null> {
  if (refs === null) return null;
  const ids = new Set<string>();
  const issues: Issue[] = [];
  for (const [index, ref] of refs.entries()) {
    const group = await findGroup(tx, organizationId, ref, 'share');
    if (group === undefined) issues.push({ field: `groups[${index}]`, message: `there is no group "${ref}"` });
    else ids.add(group.id);
  }
  refuseIssues(issues);
  return [...ids];
}

async function liveGroupNames(tx: Tx, organizationId: string): Promise<Map<string, string>> {
  const groups = await allGroups(tx, organizationId);
  return new Map(groups.filter((group) => !group.deleted).map(({ id, name }) => [id, name]));
}

/** A key as answers show it. Its scope keeps the ids of deleted groups, which are not shown. */
function viewOf(row: KeyRow, groupNames: ReadonlyMap<string, string>): KeyView {
  return {
    id: row.id,
    name: row.name,
    hint: row.hint,
    groups: row.group_ids?.flatMap((id) => groupNames.get(id) ?? []).sort() ?? null,
    defaultUnit: row.default_unit,
    expiresAt: row.expires_at?.toISOString() ?? null,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
