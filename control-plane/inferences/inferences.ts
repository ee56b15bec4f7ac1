import { z } from '@hono/zod-openapi';
import { groupHashOf, groupHashOfId, isUuid, unixMsOfId } from '#core/ids.ts';
import { allGroups } from '#store/groups.ts';
import { findInference, findPayload, type InferenceFilter, listInferences } from '#store/inferences.ts';
import type { Tx } from '#store/pool.ts';
import type { ReadCall } from '../http/operation.ts';
import { decodeCursor, type Page, toPage } from '../paging.ts';
import { invalid, notFound } from '../problem.ts';
import type { InferenceDetailView, InferenceQuery, InferenceView } from './inference-schemas.ts';
import { inferenceView, payloadView } from './view.ts';

const ID_VERSION_7 = /^.{14}7/;
const inferenceIdSchema = z.string().refine((id) => isUuid(id) && ID_VERSION_7.test(id));

/** The inferences of an organization, newest first. */
export async function listInferencePage(
  tx: Tx,
  { organizationId, query }: ReadCall<InferenceQuery>,
): Promise<Page<InferenceView>> {
  const lastId = decodeCursor(query.cursor, inferenceIdSchema);
  const groups = await allGroups(tx, organizationId);
  const wanted = groups.filter(
    ({ id, name }) => query.group === undefined || query.group === name || query.group === id,
  );
  if (query.group !== undefined && wanted.length === 0) {
    throw invalid([{ field: 'group', message: `there is no group "${query.group}"` }]);
  }
  const filter: InferenceFilter = {
    groupIds: wanted.map(({ id }) => id),
    assignedVariant: query.variant,
    status: query.status === undefined ? undefined : statusRange(query.status),
    outcome: query.outcome,
    since: query.since === undefined ? undefined : new Date(query.since),
    until: query.until === undefined ? undefined : new Date(query.until),
    after: lastId === undefined ? undefined : { createdAt: new Date(unixMsOfId(lastId)), id: lastId },
    limit: query.limit + 1,
  };
  const rows = await listInferences(tx, organizationId, filter);
  const names = new Map(groups.map(({ id, name }) => [id, name]));
  return toPage(
    rows,
    query.limit,
    (row) => inferenceView(row, names.get(row.group_id) ?? ''),
    (row) => row.id,
  );
}

/** One inference with what was captured of it. The id alone says when it was, and rules out nearly all groups. */
export async function showInference(
  tx: Tx,
  { organizationId, ref: id }: ReadCall<object>,
): Promise<InferenceDetailView> {
  if (!inferenceIdSchema.safeParse(id).success) throw notFound('inference', id);
  const hash = groupHashOfId(id);
  const groups = (await allGroups(tx, organizationId)).filter((group) => groupHashOf(group.id) === hash);
  const place = { id, createdAt: new Date(unixMsOfId(id)), groupIds: groups.map((group) => group.id) };
  const row = await findInference(tx, organizationId, place);
  if (row === undefined) throw notFound('inference', id);
  const payload = await findPayload(tx, row);
  return {
    ...inferenceView(row, groups.find((group) => group.id === row.group_id)?.name ?? ''),
    assignmentExplained: `bucket ${row.bucket} in [${row.range_from}, ${row.range_to}) → ${row.assigned_variant}`,
    request: payloadView({
      captured: payload?.request ?? null,
      sha256: payload?.request_sha256 ?? null,
      bytes: row.request_bytes,
      contentType: null,
    }),
    response: payloadView({
      captured: payload?.response ?? null,
      sha256: payload?.response_sha256 ?? null,
      bytes: row.response_bytes,
      contentType: payload?.response_type ?? null,
    }),
  };
}

/** `404` is that status alone, `4xx` its whole class. */
function statusRange(text: string): [from: number, to: number] {
  if (!text.endsWith('xx')) return [Number(text), Number(text)];
  const from = Number(text[0]) * 100;
  return [from, from + 99];
}
