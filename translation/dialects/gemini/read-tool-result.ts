import type { DocumentPart, ImagePart, TextPart, ToolResultPart } from '../../chat/parts.ts';
import type { Extra } from '../../chat/request.ts';
import { isRecord } from '../../wires/exact-json.ts';
import { bad, Fields } from './fields.ts';
import type { PendingCalls } from './pending-calls.ts';
import { readMedia } from './read-media.ts';

/**
 * A `functionResponse`. Without an id it answers the first call of its name that has no response yet. The keys "output" and "error" of a
 * response have a meaning where they stand alone ("Function calling", read 2026-11); everything else is the output as JSON.
 */
export function readToolResult(
  response: Fields,
  madeId: string,
  pending: PendingCalls,
  extras: Extra[],
): ToolResultPart {
  const id = response.string('id');
  const name = response.string('name');
  const value = response.take('response');
  const media = response.list('parts').flatMap((item) => readResultMedia(new Fields(item.value, item.at), extras));
  response.rest(extras);
  if (name === null) throw bad(response.where('name'), 'is missing');
  if (id !== null) pending.answer(id);
  const callId = id ?? pending.answerFirst(name) ?? madeId;
  const { text, isError } = readResponse(value);
  const said: TextPart = { type: 'text', at: response.where('response'), cache: null, text, citations: [] };
  return {
    type: 'tool_result',
    at: response.at,
    cache: null,
    callId,
    name,
    parts: value === undefined && media.length > 0 ? media : [said, ...media],
    isError,
  };
}

function readResponse(value: unknown): { readonly text: string; readonly isError: boolean } {
  if (value === undefined) return { text: '', isError: false };
  if (isRecord(value)) {
    const keys = Object.keys(value);
    const [only] = keys;
    if (keys.length === 1 && only === 'error') return { text: textOf(value['error']), isError: true };
    if (keys.length === 1 && only === 'output') return { text: textOf(value['output']), isError: false };
  }
  return { text: textOf(value), isError: false };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

function readResultMedia(part: Fields, extras: Extra[]): (ImagePart | DocumentPart)[] {
  const media = readMedia(part, extras);
  part.rest(extras);
  if (media === null) return [];
  if (media.type === 'image' || media.type === 'document') return [media];
  extras.push({ at: media.at, name: 'parts', value: media.source });
  return [];
}
