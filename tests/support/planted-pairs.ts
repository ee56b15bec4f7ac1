import { createHash, randomUUID } from 'node:crypto';
import { unixMsOfId } from '#core/ids.ts';
import type { Db } from '#store/pool.ts';
import { plantInference } from './planted-inferences.ts';

/** One side of a pair, as the log has it. */
export interface PlantedSide {
  readonly row?: Record<string, unknown>;
  readonly request?: string | Buffer | undefined;
  readonly response?: string | Buffer | undefined;
  readonly responseType?: string;
}

export interface PlantedPair {
  readonly organizationId: string;
  readonly groupId: string;
  readonly original: PlantedSide;
  readonly shadow: PlantedSide;
  readonly unit?: string;
  readonly atMs?: number;
  readonly experimentId?: string;
  readonly variant?: string;
  /** Which rows are left out of the log. */
  readonly without?: 'original' | 'shadow';
}

/** `md5(unit)::uuid`. */
export function unitIdOf(unit: string): string {
  const hex = createHash('md5').update(unit).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** An attempt that took so long and ended with a status. */
export function attempt(tookMs: number, status = 200, changes: Record<string, unknown> = {}): string {
  return JSON.stringify([
    {
      ...{ provider: 'p', model: 'a', upstreamModel: 'up-a', status, errorCode: null, requestId: null },
      ...{ startNs: 1_000, connectNs: null, firstByteNs: null, endNs: 1_000 + tookMs * 1e6 },
      ...changes,
    },
  ]);
}

/** Puts a pair into the log that waits to be compared. @returns the ids of its two inferences */
export async function plantPair(
  admin: Db,
  planted: PlantedPair,
): Promise<{ readonly originalId: string; readonly shadowId: string }> {
  const { organizationId, groupId, original, shadow, unit = 'u', atMs = Date.now() - 5_000, without } = planted;
  const variant = planted.variant ?? 's';
  const place = { organizationId, groupId, atMs };
  const originalId = await plantInference(admin, { ...place, ...withoutUndefined(original) });
  const shadowId = await plantInference(admin, {
    ...{ ...place, ...withoutUndefined(shadow) },
    row: {
      ...{ assigned_variant: variant, served_variant: variant, served_reason: 'shadow', shadow_of: originalId },
      attempts: attempt(3, 200, { model: variant }),
      ...shadow.row,
    },
  });
  const left = without === 'original' ? originalId : without === 'shadow' ? shadowId : undefined;
  if (left !== undefined) await admin.deleteFrom('inferences').where('id', '=', left).execute();
  await admin
    .insertInto('shadow_pairs')
    .values({
      ...{ shadow_id: shadowId, inference_id: originalId, organization_id: organizationId, group_id: groupId },
      ...{ experiment_id: planted.experimentId ?? null, shadow_variant: variant, unit: unitIdOf(unit) },
      created_at: new Date(unixMsOfId(shadowId)),
    })
    .execute();
  return { originalId, shadowId };
}

function withoutUndefined({ request, response, ...rest }: PlantedSide) {
  return { ...rest, ...(request === undefined ? {} : { request }), ...(response === undefined ? {} : { response }) };
}

/** A pair's row. */
export function pairOf(admin: Db, shadowId: string) {
  return admin.selectFrom('shadow_pairs').selectAll().where('shadow_id', '=', shadowId).executeTakeFirstOrThrow();
}

export const CHAT_REQUEST = JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'hi' }] });

/** A chat completion that says a text. */
export function chatCompletion(content: string | null, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    ...{ id: randomUUID(), object: 'chat.completion', created: 1, model: 'm' },
    choices: [{ index: 0, message: { role: 'assistant', content, ...more }, finish_reason: 'stop' }],
  });
}

/** The same as a stream. */
export function chatStream(words: readonly string[], isWhole = true): string {
  const chunk = (delta: object, finish: string | null) =>
    `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const said = words.map((word, at) =>
    chunk(at === 0 ? { role: 'assistant', content: word } : { content: word }, null),
  );
  return [...said, ...(isWhole ? [chunk({}, 'stop'), 'data: [DONE]\n\n'] : [])].join('');
}
