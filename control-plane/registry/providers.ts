import type { Keyring } from '#core/envelope.ts';
import type { ProviderKind } from '#core/names.ts';
import type { AddressPolicy } from '#core/upstream-address.ts';
import type { RowLock } from '#store/named-rows.ts';
import type { Tx } from '#store/pool.ts';
import {
  deleteProvider,
  findProvider,
  insertProvider,
  listProviders,
  modelsOnProvider,
  type ProviderRow,
  updateProvider,
} from '#store/providers.ts';
import type { Clock } from '../clock.ts';
import type { Entropy } from '../entropy.ts';
import type { ChangeCall, ReadCall } from '../http/operation.ts';
import { requireMatch } from '../http/preconditions.ts';
import { decodeNameCursor, type Page, toPage } from '../paging.ts';
import { type Issue, inUse, notFound, refuseIssues } from '../problem.ts';
import type { Change } from '../publish/change.ts';
import { created, deleted, type ListQuery, updated } from '../publish/outcome.ts';
import { beginPhases, changedIn, holdComparisons } from '../rollout/new-phase.ts';
import { normaliseBaseUrl } from './base-url.ts';
import { type CredentialsChange, changeCredentials, checkHeaders, checkKeptKey } from './credentials.ts';
import type { CreateProvider, ProviderView, UpdateProvider } from './provider-schemas.ts';

export interface ProvidersDeps {
  readonly keyring: Keyring;
  readonly entropy: Entropy;
  readonly clock: Clock;
  readonly privateUpstreams: AddressPolicy;
}

/** The providers of an organization. Every function works in the caller's transaction. */
export function createProviders(deps: ProvidersDeps) {
  return {
    async list(tx: Tx, { organizationId, query }: ReadCall<ListQuery>): Promise<Page<ProviderView>> {
      const after = decodeNameCursor(query.cursor);
      const rows = await listProviders(tx, organizationId, { after, limit: query.limit + 1 });
      return toPage(rows, query.limit, viewOf, (row) => row.name);
    },

    async get(tx: Tx, { organizationId, ref }: ReadCall<object>): Promise<ProviderView> {
      return viewOf(await find(tx, organizationId, ref));
    },

    async create(tx: Tx, { organizationId, body }: ChangeCall<CreateProvider>): Promise<Change> {
      const { kind } = body;
      const baseUrl = check(body, kind, deps.privateUpstreams) ?? body.baseUrl;
      const id = deps.entropy.id();
      const place = { organizationId, providerId: id, kind, baseUrl };
      const row = await insertProvider(tx, {
        id,
        organization_id: organizationId,
        name: body.name,
        kind,
        base_url: baseUrl,
        timeouts: JSON.stringify(body.timeouts ?? {}),
        definition: body.definition === undefined ? null : JSON.stringify(body.definition),
        ...changeCredentials(deps, place, null, credentialsOf(body)),
      });
      return created('provider', viewOf(row));
    },

    async update(tx: Tx, { organizationId, ref, body, ifMatch, actor }: ChangeCall<UpdateProvider>): Promise<Change> {
      const { id } = await find(tx, organizationId, ref);
      const held = await holdComparisons(tx, organizationId, { kind: 'provider', id });
      const row = await find(tx, organizationId, id, 'update');
      requireMatch(ifMatch, row.version);
      const kind = row.kind as ProviderKind;
      const baseUrl = check(body, kind, deps.privateUpstreams);
      refuseIssues(redirectedSecrets(row, baseUrl, body));
      const resealed = body.apiKey !== undefined || body.headers !== undefined;
      const place = { organizationId, providerId: row.id, kind, baseUrl: baseUrl ?? row.base_url };
      if (!resealed && baseUrl !== undefined && row.credentials !== null) checkKeptKey(deps, place, row.credentials);
      const after = await updateProvider(tx, organizationId, row.id, {
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(baseUrl === undefined ? {} : { base_url: baseUrl }),
        ...(body.timeouts === undefined ? {} : { timeouts: JSON.stringify(body.timeouts) }),
        ...(body.definition === undefined ? {} : { definition: JSON.stringify(body.definition) }),
        ...(resealed ? changeCredentials(deps, place, row.credentials, credentialsOf(body)) : {}),
      });
      // A replaced secret may have the same hint; the audit log says all the same that it was replaced.
      const remarks = resealed ? { credentialsReplaced: true } : {};
      const effect = await beginPhases(tx, held, {
        ...{ what: `the provider "${after.name}"`, actor, nowMs: deps.clock.nowMs() },
        changed: [
          ...changedIn(conditionsOf(row), conditionsOf(after)),
          ...(body.headers === undefined ? [] : ['headers']),
        ],
      });
      return updated('provider', viewOf(row), viewOf(after), remarks, effect);
    },

    async remove(tx: Tx, { organizationId, ref, ifMatch }: ChangeCall<unknown>): Promise<Change> {
      const row = await find(tx, organizationId, ref, 'update');
      requireMatch(ifMatch, row.version);
      const models = await modelsOnProvider(tx, organizationId, row.id);
      if (models.length > 0) throw inUse('provider', row.name, 'models', models);
      await deleteProvider(tx, organizationId, row.id);
      return deleted('provider', viewOf(row));
    },
  };
}

async function find(tx: Tx, organizationId: string, ref: string, lock?: RowLock): Promise<ProviderRow> {
  const row = await findProvider(tx, organizationId, ref, lock);
  if (row === undefined) throw notFound('provider', ref);
  return row;
}

/** What gateways go by when they ask it. Another key is the same provider; what headers say is sealed, so that any new ones count. */
function conditionsOf({ base_url: baseUrl, timeouts, definition }: ProviderRow) {
  return { baseUrl, timeouts, definition };
}

/** Checks what the schema cannot; gives the base URL in its one spelling. @throws Problem `invalid` */
function check(
  body: Partial<CreateProvider> | UpdateProvider,
  kind: ProviderKind,
  policy: AddressPolicy,
): string | undefined {
  const issues: Issue[] = body.headers == null ? [] : checkHeaders(body.headers);
  const checked = body.baseUrl === undefined ? undefined : normaliseBaseUrl(body.baseUrl, policy, 'baseUrl', kind);
  if (checked !== undefined && 'issue' in checked) issues.push(checked.issue);
  const isCustom = kind === 'custom';
  if (body.definition !== undefined && !isCustom) {
    issues.push({ field: 'definition', message: `belongs to the kind "custom", not to "${kind}"` });
  }
  if ('kind' in body && isCustom && body.definition === undefined) {
    issues.push({ field: 'definition', message: 'is required for the kind "custom"' });
  }
  refuseIssues(issues);
  return checked !== undefined && 'baseUrl' in checked ? checked.baseUrl : undefined;
}

/** A key that is a document may be sent as the object that it is. */
function credentialsOf({ apiKey, headers }: Pick<UpdateProvider, 'apiKey' | 'headers'>): CredentialsChange {
  return { apiKey: typeof apiKey === 'object' && apiKey !== null ? JSON.stringify(apiKey) : apiKey, headers };
}

/** A stored secret goes to the origin that it was given for: with another origin it must be given again, or removed. */
function redirectedSecrets(row: ProviderRow, baseUrl: string | undefined, body: UpdateProvider): Issue[] {
  if (baseUrl === undefined || new URL(baseUrl).origin === new URL(row.base_url).origin) return [];
  const again = (field: 'apiKey' | 'headers'): Issue => ({
    field,
    message: `must be sent again, or be null, when baseUrl moves to another origin`,
  });
  return [
    ...(row.credential_hint !== null && body.apiKey === undefined ? [again('apiKey')] : []),
    ...(row.header_names.length > 0 && body.headers === undefined ? [again('headers')] : []),
  ];
}

function viewOf(row: ProviderRow): ProviderView {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    baseUrl: row.base_url,
    apiKeyHint: row.credential_hint,
    headerNames: row.header_names,
    timeouts: row.timeouts,
    definition: row.definition,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
