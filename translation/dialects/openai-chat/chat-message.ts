import type { Citation, ModelPart, ReasoningPart, Signature } from '../../chat/parts.ts';
import { toolCallId } from '../../chat/parts.ts';
import type { ChatUsage, FinishReason, TokenLogprob } from '../../chat/reply.ts';
import { writeSignature } from './chat-signatures.ts';

/** How a candidate's tool calls are told apart where the provider gave them no ids: OpenAI allows 128 of both. */
const MAX_CALLS = 128;

/** A citation and the part of the message's text that carries it, in UTF-16 units. */
export interface PlacedCitation {
  readonly citation: Citation;
  readonly from: number;
  readonly to: number;
}

export function callIdOf(id: string | null, inferenceId: string, candidate: number, index: number): string {
  return id ?? toolCallId(inferenceId, candidate * MAX_CALLS + index);
}

/**
 * What OpenAI's message has no place for stands in fields of our own or of its imitators: `reasoning_details` and `images` (OpenRouter),
 * `document_citations` (ours: clients check that each of `annotations` is a `url_citation`).
 */
export function writeExtras(
  reasoning: readonly Pick<ReasoningPart, 'text' | 'signature' | 'redacted'>[],
  citations: readonly PlacedCitation[],
  images: readonly string[],
): Record<string, unknown> {
  const annotations = citations.flatMap(writeAnnotation);
  const documents = citations.flatMap(({ citation }) => writeDocumentCitation(citation));
  const isSigned = reasoning.some(({ signature, redacted }) => signature !== null || redacted !== null);
  return {
    ...(annotations.length === 0 ? {} : { annotations }),
    ...(documents.length === 0 ? {} : { document_citations: documents }),
    ...(images.length === 0 ? {} : { images: images.map((url) => ({ type: 'image_url', image_url: { url } })) }),
    ...(isSigned ? { reasoning_details: reasoning.map(writeDetail) } : {}),
  };
}

function writeDetail({ text, signature, redacted }: Parameters<typeof writeExtras>[0][number], index: number): object {
  if (redacted !== null) return { type: 'reasoning.encrypted', index, data: writeSignature(redacted, 'openai') };
  const proof = signature === null ? {} : { signature: writeSignature(signature, 'openai') };
  return { type: 'reasoning.text', index, text, ...proof };
}

/** OpenAI's offsets count in the whole message; where a provider gives none, the citation is for all of its text. */
function writeAnnotation({ citation, from, to }: PlacedCitation): object[] {
  if (citation.kind !== 'url') return [];
  const { url, title, startIndex, endIndex } = citation;
  const start = startIndex === null ? from : from + startIndex;
  const end = endIndex === null ? to : from + endIndex;
  return [{ type: 'url_citation', url_citation: { start_index: start, end_index: end, title: title ?? '', url } }];
}

function writeDocumentCitation(citation: Citation): object[] {
  if (citation.kind !== 'document') return [];
  const { documentIndex, documentTitle, citedText, unit, from, to } = citation;
  return [
    {
      document_index: documentIndex,
      title: documentTitle,
      cited_text: citedText,
      unit,
      start_index: from,
      end_index: to,
    },
  ];
}

/** Where Google's own API of this dialect puts the signature of a tool call. */
export function writeCallSignature(signature: Signature): object {
  return { extra_content: { google: { thought_signature: writeSignature(signature, 'google') } } };
}

/** `hasRefusal`: the message says so itself; then OpenAI calls it a stop. */
export function writeFinish(finish: FinishReason | null, hasRefusal: boolean): string {
  switch (finish) {
    case 'length':
    case 'tool_calls':
    case 'content_filter':
      return finish;
    case 'refusal':
      return hasRefusal ? 'stop' : 'content_filter';
    case 'stop':
    case 'stop_sequence':
    case 'pause':
    case 'malformed_tool_call':
    case 'other':
    case null:
      return 'stop';
    default:
      return finish satisfies never;
  }
}

export function writeLogprobs(logprobs: readonly TokenLogprob[] | null): object | null {
  if (logprobs === null) return null;
  const content = logprobs.map(({ token, logprob, bytes, top }) => ({ token, logprob, bytes, top_logprobs: top }));
  return { content, refusal: null };
}

/** OpenAI's usage object without what the provider did not say; null if it said nothing. */
export function writeUsage(usage: ChatUsage | null): object | null {
  if (usage === null || Object.values(usage).every((tokens) => tokens === null)) return null;
  const { inputTokens, outputTokens } = usage;
  const input = known({
    cached_tokens: usage.cachedTokens,
    cache_write_tokens: usage.cacheWriteTokens,
    audio_tokens: usage.audioInputTokens,
  });
  const output = known({ reasoning_tokens: usage.reasoningTokens, audio_tokens: usage.audioOutputTokens });
  return {
    ...known({
      prompt_tokens: inputTokens,
      completion_tokens: outputTokens,
      total_tokens: inputTokens === null || outputTokens === null ? null : inputTokens + outputTokens,
    }),
    ...(Object.keys(input).length === 0 ? {} : { prompt_tokens_details: input }),
    ...(Object.keys(output).length === 0 ? {} : { completion_tokens_details: output }),
  };
}

function known(counts: Readonly<Record<string, number | null>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter((entry): entry is [string, number] => entry[1] !== null));
}

/** A recording, as OpenAI gives it; it has no id to be sent back by. */
export function writeAudio(data: string, inferenceId: string): object {
  return { id: `audio_${inferenceId.replaceAll('-', '')}`, data, transcript: '', expires_at: 0 };
}

/** The data URL of an image that a model made. */
export function imageUrl(part: Extract<ModelPart, { type: 'image' }>): string | null {
  const { source } = part;
  if (source.kind === 'file') return null;
  return source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
}

export function completionId(id: string | null, inferenceId: string): string {
  return id ?? `chatcmpl-${inferenceId.replaceAll('-', '')}`;
}
