import { groupHashOf, groupHashOfId, unixMsOfId } from '#core/ids.ts';
import type { Role } from '#core/weights.ts';
import type { WholeInference, WholeInferences } from '#store/captured-inferences.ts';
import { allGroups } from '#store/groups.ts';
import { findInference, findPayloads, type InferenceRow, type PayloadRow } from '#store/inferences.ts';
import type { Tx } from '#store/pool.ts';
import { splitInForce, type WeightVersionRow } from '#store/weight-versions.ts';
import { feedbackOfInference } from '../feedback/feedback.ts';
import { explain, explainMirrored, isReproduced } from '../groups/assignment.ts';
import { API_BASE } from '../http/answer.ts';
import type { ReadCall } from '../http/operation.ts';
import { notFound } from '../problem.ts';
import { requestOf, responseOf } from './captured.ts';
import { chatAnswerOf } from './chat-answer.ts';
import { isInferenceId } from './filter.ts';
import type { InferenceDetailView } from './inference-schemas.ts';
import { attemptsOf, inferenceView, payloadViews } from './view.ts';
import { waterfallOf } from './waterfall.ts';

/**
 * One inference with what was captured of it. The id alone says when it was, and rules out nearly all groups.
 * @param elsewhere where the rows of the log are now, if not here: older ones may be here all the same
 */
export async function showInference(
  tx: Tx,
  { organizationId, ref: id }: ReadCall<object>,
  elsewhere: WholeInferences | undefined,
): Promise<InferenceDetailView> {
  if (!isInferenceId(id)) throw notFound('inference', id);
  const hash = groupHashOfId(id);
  const groups = (await allGroups(tx, organizationId)).filter((group) => groupHashOf(group.id) === hash);
  const groupIds = groups.map((group) => group.id);
  const found =
    (await findHere(tx, organizationId, id, groupIds)) ??
    (await elsewhere?.findWhole({ organizationId, groupIds, id }));
  if (found === undefined) throw notFound('inference', id);
  const { row, payload } = found;
  const split = await splitInForce(tx, organizationId, row.group_id, row.config_version);
  const role = roleOf(row, split);
  const view = inferenceView(row, groups.find((group) => group.id === row.group_id)?.name ?? '');
  const { bucket, experiment, assignedVariant: variant } = view;
  const range = [row.range_from, row.range_to] as const;
  const explained = { bucket, range, variant, role, experiment };
  return {
    ...view,
    assignmentExplained: view.shadowOf === null ? explain(explained, null) : explainMirrored(explained, view.shadowOf),
    assignment: {
      role,
      reproduced: isReproduced(row, split),
      splitSince: split?.config_version ?? null,
      splitChange: split === undefined ? null : changeOf(split.config_version),
      configChange: changeOf(row.config_version),
    },
    waterfall: waterfallOf(row, attemptsOf(row)),
    ...payloadViews(row, payload),
    sentUpstream: sentUpstream(row, payload),
    ...answerOf(row, payload),
    feedback: await feedbackOfInference(tx, organizationId, id),
  };
}

async function findHere(
  tx: Tx,
  organizationId: string,
  id: string,
  groupIds: readonly string[],
): Promise<WholeInference | undefined> {
  const row = await findInference(tx, organizationId, { id, createdAt: new Date(unixMsOfId(id)), groupIds });
  if (row === undefined) return undefined;
  return { row, payload: (await findPayloads(tx, organizationId, [row])).get(id) };
}

function changeOf(version: number): string {
  return `${API_BASE}/audit?version=${version}`;
}

function roleOf(row: InferenceRow, split: WeightVersionRow | undefined): Role | null {
  return split?.variants.find(({ model }) => model === row.assigned_variant)?.role ?? null;
}

function sentUpstream(row: InferenceRow, payload: PayloadRow | undefined): InferenceDetailView['sentUpstream'] {
  const last = attemptsOf(row).at(-1);
  if (last === undefined) return null;
  // In no other dialect is usage something to ask for.
  if (!row.streamed || row.dialect !== 'openai-chat') return { model: last.upstreamModel, addedUsage: false };
  const request = requestOf(row, payload);
  const isWhole = request.kind === 'kept' && request.isWhole;
  return { model: last.upstreamModel, addedUsage: isWhole ? !asksForUsage(request.bytes) : null };
}

function asksForUsage(request: Buffer): boolean {
  try {
    const body = JSON.parse(request.toString('utf8')) as { stream_options?: { include_usage?: unknown } | null };
    return body.stream_options?.include_usage === true;
  } catch {
    return false;
  }
}

/** What the caller got, as far as it was kept: of a JSON document that was cut nothing can be read, of a stream what came. */
function answerOf(
  row: InferenceRow,
  payload: PayloadRow | undefined,
): Pick<InferenceDetailView, 'answer' | 'answerIsWhole'> {
  const response = responseOf(row, payload);
  const answer =
    row.operation !== 'chat' || response.kind === 'missing'
      ? undefined
      : chatAnswerOf(row.dialect, response.bytes.toString('utf8'), payload?.response_type ?? null);
  if (answer === undefined || response.kind === 'missing') return { answer: null, answerIsWhole: null };
  return { answer: answer.said, answerIsWhole: response.isWhole && answer.isWhole };
}
