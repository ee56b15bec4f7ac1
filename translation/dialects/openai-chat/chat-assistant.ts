import type { Citation, ModelPart, ReasoningPart, Signature, ToolCallPart } from '../../chat/parts.ts';
import type { Extra, JsonObject } from '../../chat/request.ts';
import { isObject, listOf, objectOf, textOf } from '../../wires/openai/json.ts';
import { readContent } from './chat-content.ts';
import {
  fault,
  noteExtras,
  optional,
  readList,
  readName,
  readObject,
  readText,
  untranslatable,
} from './chat-fields.ts';
import { readSignature } from './chat-signatures.ts';

const KNOWN = new Set([
  'role',
  'content',
  'name',
  'refusal',
  'audio',
  'annotations',
  'tool_calls',
  'function_call',
  'reasoning_content',
  'reasoning',
  'reasoning_details',
]);
const BASE = { cache: null } as const;

/** An assistant's message: thoughts, content, refusal, recording and calls, in the order in which a model makes them. */
export function readAssistant(message: JsonObject, at: string, extras: Extra[]): ModelPart[] {
  noteExtras(message, at, KNOWN, extras);
  const parts: ModelPart[] = readReasoning(message, at);
  const { content } = message;
  const said =
    content === undefined || content === null || content === '' ? [] : readContent(content, `${at}.content`, extras);
  const citations = readCitations(message['annotations']);
  for (const part of said) {
    if (part.type === 'text') parts.push({ ...part, citations: citations.splice(0) });
    else if (part.type === 'refusal') parts.push(part);
    else throw fault(part.at, 'must be text or a refusal in a message of this role');
  }
  const refusal = textOf(message['refusal']);
  if (refusal !== null) parts.push({ ...BASE, type: 'refusal', at: `${at}.refusal`, text: refusal });
  if (isObject(message['audio'])) {
    const fileId = readName(message['audio']['id'], `${at}.audio.id`);
    parts.push({ ...BASE, type: 'audio', at: `${at}.audio`, source: { kind: 'file', fileId, mediaType: null } });
  }
  const calls = optional(message['tool_calls'], `${at}.tool_calls`, readList) ?? [];
  for (const [index, call] of calls.entries()) parts.push(readCall(call, `${at}.tool_calls[${index}]`));
  const legacy = optional(message['function_call'], `${at}.function_call`, readObject);
  if (legacy !== null) parts.push({ ...readFunction(legacy, `${at}.function_call`), id: legacyCallId(at) });
  return parts;
}

/** Calls of the older kind have no id: the place of the message names them. */
export function legacyCallId(at: string): string {
  return `call_${at.replace(/\W+/g, '_').replace(/_$/, '')}`;
}

function readCall(value: unknown, at: string): ToolCallPart {
  const call = readObject(value, at);
  if (call['type'] === 'custom')
    throw untranslatable(at, 'custom tools take free text, which other providers have not');
  const said = readFunction(readObject(call['function'], `${at}.function`), `${at}.function`);
  const google = textOf(objectOf(objectOf(call['extra_content'])['google'])['thought_signature']);
  const signature = google === null ? null : readSignature(google, 'google');
  return { ...said, at, id: readName(call['id'], `${at}.id`), signature };
}

function readFunction(said: JsonObject, at: string): ToolCallPart {
  const name = readName(said['name'], `${at}.name`);
  const args = readText(said['arguments'] ?? '', `${at}.arguments`);
  return { ...BASE, type: 'tool_call', at, id: null, name, arguments: args, signature: null };
}

/** `reasoning_details` hold all that there is; without them, the thoughts are text. */
function readReasoning(message: JsonObject, at: string): ReasoningPart[] {
  const details = listOf(message['reasoning_details']).flatMap((value, index) =>
    isObject(value) ? readDetail(value, `${at}.reasoning_details[${index}]`) : [],
  );
  if (details.length > 0) return details;
  const key = textOf(message['reasoning_content']) === null ? 'reasoning' : 'reasoning_content';
  const text = textOf(message[key]);
  return text === null ? [] : [reasoning(`${at}.${key}`, text, null, null)];
}

function readDetail(detail: JsonObject, at: string): ReasoningPart[] {
  const text = textOf(detail['text']) ?? textOf(detail['summary']);
  const signature = textOf(detail['signature']);
  const data = textOf(detail['data']);
  if (data !== null) return [reasoning(at, '', null, readSignature(data, 'openai'))];
  if (text === null && signature === null) return [];
  return [reasoning(at, text ?? '', signature === null ? null : readSignature(signature, 'openai'), null)];
}

function reasoning(at: string, text: string, signature: Signature | null, redacted: Signature | null): ReasoningPart {
  return { ...BASE, type: 'reasoning', at, text, signature, redacted };
}

function readCitations(annotations: unknown): Citation[] {
  return listOf(annotations).flatMap((annotation): Citation[] => {
    const said = objectOf(objectOf(annotation)['url_citation']);
    const url = textOf(said['url']);
    const offset = (value: unknown) => (typeof value === 'number' ? value : null);
    if (url === null) return [];
    return [
      {
        kind: 'url',
        url,
        title: textOf(said['title']),
        citedText: null,
        startIndex: offset(said['start_index']),
        endIndex: offset(said['end_index']),
      },
    ];
  });
}
