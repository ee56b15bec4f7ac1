import type { AnswerContext } from '../../chat/dialect.ts';
import { type ModelPart, type ReasoningPart, type Signature, type Source, toolCallId } from '../../chat/parts.ts';
import { type JsonRecord, parseRecord } from '../../wires/exact-json.ts';
import { packSignature } from './signatures.ts';

/** More calls than any model makes at once: keeps the made ids of two candidates apart. */
const CALLS_PER_CANDIDATE = 1_000;

/** Whether a caller that did not ask for thoughts gets this one: a signed one, because the next turn needs it. */
export function isShown({ request }: AnswerContext, signed: boolean): boolean {
  return signed || request.settings.reasoning?.show === true;
}

/** One part of an answer; `calls` is how many calls of this candidate came before. */
export function writePart(part: ModelPart, candidate: number, calls: number, context: AnswerContext): JsonRecord[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [{ text: part.text }];
    case 'reasoning':
      return writeReasoning(part, context);
    case 'tool_call':
      return [writeCall(part, candidate, calls, context)];
    case 'image':
    case 'audio':
      return [writeSource(part.source)];
    default:
      return part satisfies never;
  }
}

export function writeReasoning(
  { text, signature, redacted }: Pick<ReasoningPart, 'text' | 'signature' | 'redacted'>,
  context: AnswerContext,
): JsonRecord[] {
  const parts: JsonRecord[] = [];
  const signed = signature === null ? {} : { thoughtSignature: packSignature(signature, false) };
  if (text !== '' && isShown(context, signature !== null)) parts.push({ text, thought: true, ...signed });
  else if (signature !== null) parts.push({ text: '', ...signed });
  if (redacted !== null) parts.push({ text: '', thought: true, thoughtSignature: packSignature(redacted, true) });
  return parts;
}

/** `args` is an object on this wire: text that is none (a model may break off within it) is put into one, so that nothing is lost. */
export function writeCall(
  call: {
    readonly id: string | null;
    readonly name: string;
    readonly arguments: string;
    readonly signature: Signature | null;
  },
  candidate: number,
  calls: number,
  { inferenceId }: AnswerContext,
): JsonRecord {
  const { name, signature } = call;
  const text = call.arguments;
  return {
    functionCall: {
      id: call.id ?? toolCallId(inferenceId, candidate * CALLS_PER_CANDIDATE + calls),
      name,
      args: text.trim() === '' ? {} : (parseRecord(text) ?? { arguments: text }),
    },
    ...(signature === null ? {} : { thoughtSignature: packSignature(signature, false) }),
  };
}

function writeSource(source: Source): JsonRecord {
  switch (source.kind) {
    case 'base64':
      return { inlineData: { mimeType: source.mediaType, data: source.data } };
    case 'url':
      return { fileData: { fileUri: source.url } };
    case 'file':
      return { fileData: { fileUri: source.fileId, mimeType: source.mediaType ?? undefined } };
    default:
      return source satisfies never;
  }
}
