import { isUuid } from '#core/ids.ts';
import type { Role } from '#core/weights.ts';
import { allGroups } from '#store/groups.ts';
import { experimentSpan } from '#store/inference-experiment.ts';
import type { InferenceFilter, Span } from '#store/inference-filter.ts';
import { keyIdsOf } from '#store/keys.ts';
import type { Tx } from '#store/pool.ts';
import { invalid } from '../problem.ts';
import { isShallow } from './depth.ts';
import { type FilterQuery, METADATA_PREFIX } from './inference-query.ts';

export interface ResolvedFilter {
  readonly filter: InferenceFilter;
  /** Of every group that the organization has or had, by id. */
  readonly groupNames: ReadonlyMap<string, string>;
}

const NS_PER_MS = 1_000_000;

/** Turns the parameters of a request into a filter, names into ids. @throws Problem `invalid` for what does not exist */
export async function resolveFilter(tx: Tx, organizationId: string, query: FilterQuery): Promise<ResolvedFilter> {
  const groups = await allGroups(tx, organizationId);
  const filter: InferenceFilter = {
    groupIds: groupIdsOf(groups, query.group),
    assignedVariant: query.variant,
    servedVariant: query.servedVariant,
    role: query.role as Role | undefined,
    keyIds: query.key === undefined ? undefined : await keysNamed(tx, organizationId, query.key),
    unit: query.unit,
    status: query.status === undefined ? undefined : statusSpan(query.status),
    outcome: query.outcome,
    errorCode: query.errorCode,
    model: query.model,
    operation: query.operation,
    dialect: query.dialect,
    finishReason: query.finishReason,
    streamed: query.streamed === undefined ? undefined : query.streamed === 'true',
    totalNs: nsSpan(query.latencyFromMs, query.latencyToMs),
    firstTokenNs: nsSpan(query.firstTokenFromMs, query.firstTokenToMs),
    inputTokens: span(query.inputTokensFrom, query.inputTokensTo),
    outputTokens: span(query.outputTokensFrom, query.outputTokensTo),
    costMicroUsd: span(query.costFromMicroUsd, query.costToMicroUsd),
    traceId: query.traceId,
    metadata: metadataOf(query),
    text: query.q,
    since: query.since === undefined ? undefined : new Date(query.since),
    until: query.until === undefined ? undefined : new Date(query.until),
    shadow: query.shadow === 'all' ? undefined : query.shadow === 'true',
  };
  const groupNames = new Map(groups.map(({ id, name }) => [id, name]));
  if (query.experiment === undefined) return { filter, groupNames };
  return { filter: await ofExperiment(tx, organizationId, filter, query.experiment), groupNames };
}

/** A gateway's clock may be behind the database's. */
const MAX_CLOCK_LAG_MS = 3_600_000;

/** No index has the experiments: but one is in one group, and no inference of it is older than its start. */
async function ofExperiment(
  tx: Tx,
  organizationId: string,
  filter: InferenceFilter,
  experimentId: string,
): Promise<InferenceFilter> {
  const span = await experimentSpan(tx, organizationId, experimentId);
  if (span === undefined) {
    throw invalid([{ field: 'experiment', message: `there is no experiment "${experimentId}"` }]);
  }
  const { groupId, startedAt } = span;
  // Nothing is read to find nothing.
  if (startedAt === null) return { ...filter, experimentId, groupIds: [] };
  const sinceMs = Math.max(startedAt.getTime() - MAX_CLOCK_LAG_MS, filter.since?.getTime() ?? 0);
  return {
    ...{ ...filter, experimentId, groupIds: filter.groupIds.filter((id) => id === groupId) },
    since: new Date(sinceMs),
  };
}

function groupIdsOf(groups: readonly { id: string; name: string }[], wanted: string | undefined): string[] {
  if (wanted === undefined) return groups.map(({ id }) => id);
  const ids = wanted.split(',').flatMap((ref) => {
    const named = groups.filter(({ id, name }) => ref === name || ref === id);
    if (named.length === 0) throw invalid([{ field: 'group', message: `there is no group "${ref}"` }]);
    return named.map(({ id }) => id);
  });
  return [...new Set(ids)];
}

async function keysNamed(tx: Tx, organizationId: string, ref: string): Promise<string[]> {
  const ids = await keyIdsOf(tx, organizationId, ref);
  if (ids.length === 0) throw invalid([{ field: 'key', message: `there is no key "${ref}"` }]);
  return ids;
}

/** `404` is that status alone, `4xx` its whole class. */
function statusSpan(text: string): Span {
  if (!text.endsWith('xx')) return { from: Number(text), to: Number(text) };
  const from = Number(text[0]) * 100;
  return { from, to: from + 99 };
}

function span(from: number | undefined, to: number | undefined): Span | undefined {
  return from === undefined && to === undefined ? undefined : { from, to };
}

function nsSpan(fromMs: number | undefined, toMs: number | undefined): Span | undefined {
  const ns = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(ms * NS_PER_MS));
  return span(ns(fromMs), ns(toMs));
}

/** The object of `metadata` with the texts of `metadata.…` in it; undefined when neither is there. */
export function metadataOf(query: FilterQuery): Record<string, unknown> | undefined {
  const named = Object.entries(query)
    .filter(([name]) => name.startsWith(METADATA_PREFIX))
    .map(([name, value]) => [name.slice(METADATA_PREFIX.length), value] as const);
  if (query.metadata === undefined && named.length === 0) return undefined;
  return { ...(query.metadata === undefined ? {} : parseMetadata(query.metadata)), ...Object.fromEntries(named) };
}

/** Deeper than anybody means, and far from what PostgreSQL's stack takes. */
const MAX_METADATA_DEPTH = 32;

function parseMetadata(json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !isShallow(value, MAX_METADATA_DEPTH)) {
    throw invalid([{ field: 'metadata', message: 'is a JSON object, like {"tenant":"acme"}' }]);
  }
  // jsonb holds neither NUL nor half a surrogate pair, however they are spelled.
  if (/\\u(0000|d[89a-f])/i.test(json)) {
    const text = JSON.stringify(value);
    if (text.includes('\\u0000') || /\\ud[89a-f]/i.test(text)) {
      throw invalid([{ field: 'metadata', message: 'holds a NUL character or half a surrogate pair' }]);
    }
  }
  return value as Record<string, unknown>;
}

/** Whether a text may be compared with ids. */
export function isInferenceId(id: string): boolean {
  return isUuid(id) && id[14] === '7';
}
