import { type Citation, type ModelPart, toolCallId } from '../../chat/parts.ts';
import type { Candidate, TokenLogprob } from '../../chat/reply.ts';
import type { JsonObject } from '../../chat/request.ts';
import { carry } from './signatures.ts';

/** A part that has an item: nobody can ask for sound in this dialect, so that it has no place for it. */
export type ShownPart = Exclude<ModelPart, { type: 'audio' }>;
export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** What an item says beside its part. */
export interface ItemFacts {
  readonly id: string;
  readonly callId: string;
  readonly status: ItemStatus;
  readonly logprobs: readonly TokenLogprob[] | null;
}

const PREFIXES = {
  text: 'msg',
  refusal: 'msg',
  reasoning: 'rs',
  tool_call: 'fc',
  image: 'ig',
} as const satisfies Record<ShownPart['type'], string>;

export function responseId(inferenceId: string): string {
  return `resp_${inferenceId.replaceAll('-', '')}`;
}

/** An item's id: the same for the same answer, streamed or not. */
export function itemId(inferenceId: string, type: ShownPart['type'], outputIndex: number): string {
  return `${PREFIXES[type]}_${inferenceId.replaceAll('-', '')}${outputIndex.toString(16).padStart(4, '0')}`;
}

/**
 * The output of an answer: an item for each part, and behind them one for each signature of a function call. The log probabilities, which
 * no provider gives by part, stand with the first text. Of an answer that was cut, the last item was.
 */
export function outputOf(candidate: Candidate, inferenceId: string, isCut: boolean): JsonObject[] {
  const shown = candidate.parts.filter((part): part is ShownPart => part.type !== 'audio');
  const firstText = shown.findIndex(({ type }) => type === 'text');
  let calls = 0;
  const ids = shown.map((part) => (part.type === 'tool_call' ? (part.id ?? toolCallId(inferenceId, calls++)) : ''));
  const items = shown.map((part, index) =>
    itemOf(part, {
      id: itemId(inferenceId, part.type, index),
      callId: ids[index] ?? '',
      status: isCut && index === shown.length - 1 ? 'incomplete' : 'completed',
      logprobs: index === firstText ? candidate.logprobs : null,
    }),
  );
  shown.forEach((part, index) => {
    const item = signatureItem(part, ids[index] ?? '', inferenceId, items.length);
    if (item !== null) items.push(item);
  });
  return items;
}

/** A part as an item, whole. */
export function itemOf(part: ShownPart, { id, callId, status, logprobs }: ItemFacts): JsonObject {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return { id, type: 'message', status, role: 'assistant', content: [contentOf(part, logprobs)] };
    case 'tool_call':
      return { id, type: 'function_call', status, arguments: part.arguments, call_id: callId, name: part.name };
    case 'reasoning': {
      const summary = part.text === '' ? [] : [{ type: 'summary_text', text: part.text }];
      const kind = part.redacted === null ? 'signature' : 'redacted';
      const signature = part.redacted ?? part.signature;
      const proof = signature === null ? {} : { encrypted_content: carry({ kind, signature }) };
      return { id, type: 'reasoning', summary, ...proof };
    }
    case 'image': {
      const result = part.source.kind === 'base64' ? part.source.data : null;
      return { id, type: 'image_generation_call', status, result };
    }
    default:
      return part satisfies never;
  }
}

/** The only part of a message. */
export function contentOf(
  part: Extract<ShownPart, { type: 'text' | 'refusal' }>,
  logprobs: readonly TokenLogprob[] | null,
): JsonObject {
  if (part.type === 'refusal') return { type: 'refusal', refusal: part.text };
  return {
    type: 'output_text',
    annotations: part.citations.map(annotationOf),
    logprobs: (logprobs ?? []).map(logprobOf),
    text: part.text,
  };
}

/** A function call has no place for its signature: an item of its own carries it. */
export function signatureItem(
  part: ShownPart,
  callId: string,
  inferenceId: string,
  outputIndex: number,
): JsonObject | null {
  if (part.type !== 'tool_call' || part.signature === null) return null;
  const content = carry({ kind: 'call', callId, signature: part.signature });
  return {
    id: itemId(inferenceId, 'reasoning', outputIndex),
    type: 'reasoning',
    summary: [],
    encrypted_content: content,
  };
}

/** Numbers are required where a provider may have none: 0 to 0 marks nothing. */
export function annotationOf(citation: Citation): JsonObject {
  switch (citation.kind) {
    case 'url':
      return {
        type: 'url_citation',
        start_index: citation.startIndex ?? 0,
        end_index: citation.endIndex ?? 0,
        title: citation.title ?? '',
        url: citation.url,
      };
    case 'document':
      return {
        type: 'file_citation',
        file_id: `document_${citation.documentIndex}`,
        filename: citation.documentTitle ?? '',
        index: citation.documentIndex,
      };
    default:
      return citation satisfies never;
  }
}

export function logprobOf({ token, logprob, bytes, top }: TokenLogprob): JsonObject {
  const alternatives = top.map((other) => ({ token: other.token, bytes: other.bytes ?? [], logprob: other.logprob }));
  return { token, bytes: bytes ?? [], logprob, top_logprobs: alternatives };
}
