import type { At, ModelPart, ReasoningPart, TextPart, ToolResultPart, UserPart } from '../../chat/parts.ts';
import type { Extra, Message } from '../../chat/request.ts';
import { bad, Fields } from './fields.ts';
import { PendingCalls } from './pending-calls.ts';
import { readMedia } from './read-media.ts';
import { readToolResult } from './read-tool-result.ts';
import { unpackSignature } from './signatures.ts';

/** Data of parts that only Google's models know, and what may stand beside data. */
const GOOGLE_ONLY = [
  'executableCode',
  'codeExecutionResult',
  'toolCall',
  'toolResponse',
  'audioTranscription',
] as const;

/** The text of the instructions. */
export function readSystem(instruction: Fields | null, extras: Extra[]): TextPart[] {
  if (instruction === null) return [];
  instruction.take('role');
  const parts = instruction.list('parts').flatMap(({ value, at }) => {
    const part = new Fields(value, at);
    const text = part.string('text');
    part.rest(extras);
    return text === null ? [] : [textPart(text, part.where('text'))];
  });
  instruction.rest(extras);
  return parts;
}

/**
 * The conversation. Calls without ids, as older models make them, get one each, which their responses share. SDKs keep each response
 * of a stream as a content of its own: neighbouring contents of the model are one turn.
 */
export function readContents(body: Fields, extras: Extra[]): Message[] {
  const pending = new PendingCalls();
  const messages: Message[] = [];
  let model: { readonly parts: ModelPart[] } | null = null;
  const contents = body.list('contents');
  if (contents.length === 0) throw bad('contents', 'is missing or empty; send at least one content');
  for (const [turn, { value, at }] of contents.entries()) {
    const content = new Fields(value, at);
    const role = content.string('role') ?? 'user';
    const parts = content.list('parts').map((item) => new Fields(item.value, item.at));
    content.rest(extras);
    const callId = (index: number) => `call_${turn}_${index}`;
    if (role === 'model') {
      if (model === null) {
        model = { parts: [] };
        messages.push({ role: 'assistant', at, name: null, parts: model.parts });
      }
      for (const [index, part] of parts.entries()) {
        for (const made of readModelPart(part, callId(index), pending, extras)) join(model.parts, made);
      }
      continue;
    }
    if (role !== 'user' && role !== 'function') throw bad(content.where('role'), 'must be "user" or "model"');
    model = null;
    const made = parts.flatMap((part, index) => readUserPart(part, callId(index), pending, extras));
    messages.push({ role: 'user', at, name: null, parts: made });
  }
  return messages;
}

/** Adds a part to a model's turn; texts and thoughts that came in pieces become whole again. */
function join(parts: ModelPart[], part: ModelPart): void {
  const last = parts.at(-1);
  if (last?.type === 'text' && part.type === 'text') {
    parts[parts.length - 1] = { ...last, text: last.text + part.text };
  } else if (isOpenThought(last) && part.type === 'reasoning' && part.redacted === null) {
    parts[parts.length - 1] = { ...last, text: last.text + part.text, signature: part.signature };
  } else parts.push(part);
}

/** Thoughts whose signature has not come: it closes them. */
function isOpenThought(part: ModelPart | undefined): part is ReasoningPart {
  return part?.type === 'reasoning' && part.signature === null && part.redacted === null;
}

function readUserPart(part: Fields, madeId: string, pending: PendingCalls, extras: Extra[]): UserPart[] {
  const text = part.string('text');
  const response = part.fields('functionResponse');
  const media = readMedia(part, extras);
  const result: ToolResultPart | null = response && readToolResult(response, madeId, pending, extras);
  part.rest(extras);
  return [text === null ? null : textPart(text, part.where('text')), media, result].filter((made) => made !== null);
}

function readModelPart(part: Fields, madeId: string, pending: PendingCalls, extras: Extra[]): ModelPart[] {
  const text = part.string('text');
  const isThought = part.boolean('thought') === true;
  const packed = part.string('thoughtSignature');
  const { signature, isRedacted } = packed === null ? { signature: null, isRedacted: false } : unpackSignature(packed);
  const call = part.fields('functionCall');
  for (const name of GOOGLE_ONLY) part.extra(name, extras);
  if (call !== null) {
    part.rest(extras);
    return [{ ...readCall(call, madeId, pending, extras), signature }];
  }
  const media = readMedia(part, extras);
  part.rest(extras);
  const { at } = part;
  const alone: ModelPart[] =
    signature === null
      ? []
      : isRedacted
        ? [{ type: 'reasoning', at, cache: null, text: '', signature: null, redacted: signature }]
        : [{ type: 'reasoning', at, cache: null, text: '', signature, redacted: null }];
  if (media !== null) {
    if (media.type === 'image' || media.type === 'audio') return [media, ...alone];
    extras.push({ at: media.at, name: 'inlineData', value: media.source });
    return alone;
  }
  if (text === null || text === '') return alone;
  if (!isThought) return [textPart(text, part.where('text')), ...alone];
  return isRedacted || signature === null
    ? [{ type: 'reasoning', at, cache: null, text, signature: null, redacted: null }, ...alone]
    : [{ type: 'reasoning', at, cache: null, text, signature, redacted: null }];
}

function readCall(call: Fields, madeId: string, pending: PendingCalls, extras: Extra[]) {
  const name = call.string('name');
  if (name === null) throw bad(call.where('name'), 'is missing');
  const id = call.string('id') ?? madeId;
  const args = call.take('args') ?? {};
  call.rest(extras);
  pending.add(id, name);
  return { type: 'tool_call', at: call.at, cache: null, id, name, arguments: JSON.stringify(args) } as const;
}

function textPart(text: string, at: At): TextPart {
  return { type: 'text', at, cache: null, text, citations: [] };
}
