import type {
  ModelPart,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  UserPart,
} from '#translation/chat/parts.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { JsonObject } from '#translation/chat/request.ts';
import { writeDocumentCitation } from '#translation/wires/anthropic/citations.ts';
import { parseRecord } from '#translation/wires/exact-json.ts';
import { writeCacheMark } from './chat-settings.ts';
import { writeDocumentSource, writeImageSource } from './chat-sources.ts';

/** What the API accepts as the id of a tool call. */
const CALL_ID = /^[a-zA-Z0-9_-]+$/;

/** A part as a content block; null for what need not be said: empty texts, which the API refuses, and other providers' thoughts. */
export function writeBlock(part: UserPart | ModelPart, refusals: Refusals): JsonObject | null {
  const block = writeBare(part, refusals);
  if (block === null || part.cache === null) return block;
  if (part.type === 'reasoning') {
    refusals.setting(`${part.at}.cache_control`, 'caches no thoughts by themselves');
    return block;
  }
  return { ...block, cache_control: writeCacheMark(part.cache) };
}

function writeBare(part: UserPart | ModelPart, refusals: Refusals): JsonObject | null {
  switch (part.type) {
    case 'text':
      return writeText(part, refusals);
    case 'refusal':
      return part.text === '' ? null : { type: 'text', text: part.text };
    case 'image':
      if (part.detail === 'low' || part.detail === 'high') {
        refusals.setting(`${part.at}.detail`, 'chooses the detail of an image itself');
      }
      return { type: 'image', source: writeImageSource(part, refusals) };
    case 'document':
      return {
        type: 'document',
        source: writeDocumentSource(part, refusals),
        ...(part.title === null ? {} : { title: part.title }),
        ...(part.citations ? { citations: { enabled: true } } : {}),
      };
    case 'audio':
      return refusals.content(part.at, 'hears no audio');
    case 'video':
      return refusals.content(part.at, 'sees no video');
    case 'tool_result':
      return writeToolResult(part, refusals);
    case 'tool_call':
      return writeToolCall(part, refusals);
    case 'reasoning':
      return writeReasoning(part, refusals);
    default:
      return part satisfies never;
  }
}

/** A source on the web can be cited only with an index that the API's own search made: without it, the text stands alone. */
function writeText({ at, text, citations }: TextPart, refusals: Refusals): JsonObject | null {
  if (text === '') return null;
  const written: JsonObject[] = [];
  for (const citation of citations) {
    if (citation.kind === 'document') written.push(writeDocumentCitation(citation));
    else refusals.leftOut(`${at}.citations`);
  }
  return { type: 'text', text, ...(written.length === 0 ? {} : { citations: written }) };
}

function writeToolResult(part: ToolResultPart, refusals: Refusals): JsonObject {
  const content = part.parts.flatMap((inner) => writeBlock(inner, refusals) ?? []);
  return {
    type: 'tool_result',
    tool_use_id: callId(part.callId),
    ...(content.length === 0 ? {} : { content }),
    ...(part.isError ? { is_error: true } : {}),
  };
}

function writeToolCall(part: ToolCallPart, refusals: Refusals): JsonObject {
  if (part.signature !== null) refusals.leftOut(part.at);
  if (part.id === null) return refusals.content(part.at, 'needs the id of a tool call');
  const input = readArguments(part.arguments);
  if (input === null) return refusals.content(part.at, 'takes a JSON object as the arguments of a tool call');
  return { type: 'tool_use', id: callId(part.id), name: part.name, input };
}

/** An id that the API would not accept is spelled in hex, in the call and in its result alike. */
function callId(id: string): string {
  return CALL_ID.test(id) ? id : `hex_${Buffer.from(id).toString('hex')}`;
}

function readArguments(text: string): JsonObject | null {
  return text.trim() === '' ? {} : parseRecord(text);
}

/** Thoughts go back only with the API's own proof that it had them; it refuses all others. */
function writeReasoning({ at, text, signature, redacted }: ReasoningPart, refusals: Refusals): JsonObject | null {
  if (redacted?.origin === 'anthropic') return { type: 'redacted_thinking', data: redacted.value };
  if (signature?.origin === 'anthropic') return { type: 'thinking', thinking: text, signature: signature.value };
  refusals.leftOut(at);
  return null;
}
