import type {
  ModelPart,
  ReasoningPart,
  Signature,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  UserPart,
} from '#translation/chat/parts.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest } from '#translation/chat/request.ts';
import { isRecord, type JsonRecord, parseRecord } from '#translation/wires/exact-json.ts';
import { isGemini3 } from './generation.ts';
import { writeMedia } from './media.ts';

interface Content {
  readonly role: 'user' | 'model';
  readonly parts: JsonRecord[];
}

/**
 * Gemini 3 refuses a history whose function calls lack signatures; this word stands for one where another model made the call
 * (ai.google.dev, "Thought signatures", FAQ, read 2026-11).
 */
const NO_SIGNATURE = 'skip_thought_signature_validator';

/** The instructions before the conversation; undefined where there are none. */
export function writeSystem(system: readonly TextPart[], refusals: Refusals): JsonRecord | undefined {
  const parts = system.filter(({ text }) => text !== '').map((part) => writeText(part, refusals));
  return parts.length === 0 ? undefined : { parts };
}

/** The conversation: neighbouring turns of one role are one content, so that results of parallel calls are together. */
export function writeContents({ messages }: ChatRequest, model: string, refusals: Refusals): Content[] {
  const contents: Content[] = [];
  const hasIds = isGemini3(model);
  for (const message of messages) {
    if (message.role === 'system') refusals.content(message.at, 'has no place for instructions amid a conversation');
    const { role, at, name } = message;
    if (name !== null) refusals.setting(`${at}.name`, 'has no names of speakers');
    const parts: JsonRecord[] = [];
    if (role === 'user') for (const part of message.parts) parts.push(...writeUserPart(part, hasIds, refusals));
    else for (const part of message.parts) addModelPart(parts, part, hasIds, refusals);
    const wireRole = role === 'user' ? 'user' : 'model';
    const last = contents.at(-1);
    if (last?.role === wireRole) for (const part of parts) last.parts.push(part);
    else if (parts.length > 0) contents.push({ role: wireRole, parts });
  }
  if (hasIds) for (const { parts } of contents) signFirstCall(parts);
  return contents;
}

/** Of parallel calls only the first one has a signature. */
function signFirstCall(parts: readonly JsonRecord[]): void {
  const first = parts.find((part) => 'functionCall' in part);
  if (first !== undefined) first['thoughtSignature'] ??= NO_SIGNATURE;
}

function writeText(part: TextPart, refusals: Refusals): JsonRecord {
  // Google caches prompts by itself.
  if (part.cache !== null) refusals.leftOut(part.at);
  return { text: part.text };
}

function writeUserPart(part: UserPart, hasIds: boolean, refusals: Refusals): JsonRecord[] {
  switch (part.type) {
    case 'text':
      return part.text === '' ? [] : [writeText(part, refusals)];
    case 'image':
    case 'document':
    case 'audio':
    case 'video':
      return [writeMedia(part, refusals)];
    case 'tool_result':
      return [writeToolResult(part, hasIds, refusals)];
    default:
      return part satisfies never;
  }
}

function addModelPart(parts: JsonRecord[], part: ModelPart, hasIds: boolean, refusals: Refusals): void {
  switch (part.type) {
    case 'text':
    case 'refusal':
      if (part.text !== '') parts.push({ text: part.text });
      return;
    case 'reasoning':
      return addReasoning(parts, part, refusals);
    case 'tool_call':
      parts.push(writeToolCall(part, hasIds, refusals));
      return;
    case 'image':
    case 'audio':
      parts.push(writeMedia(part, refusals));
      return;
    default:
      part satisfies never;
  }
}

/** A signature without thoughts belongs to the text before it; Google sends it so at the end of a stream. */
function addReasoning(parts: JsonRecord[], part: ReasoningPart, refusals: Refusals): void {
  const signature = ownSignature(part.signature);
  if (part.redacted !== null || (part.signature !== null && signature === undefined)) return refusals.leftOut(part.at);
  if (part.text !== '') {
    parts.push({ text: part.text, thought: true, ...(signature === undefined ? {} : { thoughtSignature: signature }) });
    return;
  }
  if (signature === undefined) return;
  const last = parts.at(-1);
  const isUnsignedText = last !== undefined && 'text' in last && !('thought' in last) && !('thoughtSignature' in last);
  if (isUnsignedText) last['thoughtSignature'] = signature;
  else parts.push({ text: '', thoughtSignature: signature });
}

function writeToolCall(part: ToolCallPart, hasIds: boolean, refusals: Refusals): JsonRecord {
  const args = part.arguments.trim() === '' ? {} : parseRecord(part.arguments);
  if (args === null) return refusals.content(part.at, 'takes the arguments of tool calls as a JSON object only');
  const signature = ownSignature(part.signature);
  if (part.signature !== null && signature === undefined) refusals.leftOut(part.at);
  return {
    functionCall: { ...(hasIds && part.id !== null ? { id: part.id } : {}), name: part.name, args },
    ...(signature === undefined ? {} : { thoughtSignature: signature }),
  };
}

function writeToolResult(part: ToolResultPart, hasIds: boolean, refusals: Refusals): JsonRecord {
  if (part.name === null) {
    return refusals.content(part.at, 'needs the name of the tool, and no tool call with this id comes before');
  }
  if (part.cache !== null) refusals.leftOut(part.at);
  const text = part.parts.flatMap((item) => (item.type === 'text' ? [item.text] : [])).join('\n');
  const media = part.parts.flatMap((item) => (item.type === 'text' ? [] : [writeMedia(item, refusals)]));
  return {
    functionResponse: {
      ...(hasIds ? { id: part.callId } : {}),
      name: part.name,
      response: writeResponse(text, part.isError),
      ...(media.length === 0 ? {} : { parts: media }),
    },
  };
}

/** A JSON object is the output as it is, unless it could be taken for one of the two keys that have a meaning. */
function writeResponse(text: string, isError: boolean): JsonRecord {
  if (isError) return { error: text };
  const value = parseRecord(text);
  return isRecord(value) && !('output' in value) && !('error' in value) ? value : { output: text };
}

function ownSignature(signature: Signature | null): string | undefined {
  return signature?.origin === 'google' ? signature.value : undefined;
}
