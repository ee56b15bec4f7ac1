import { RingsideError } from '#core/errors.ts';
import type { Citation, Signature } from '../../chat/parts.ts';
import type { JsonObject } from '../../chat/request.ts';
import { writeDocumentCitation } from '../../wires/anthropic/citations.ts';
import { writeSignature } from '../../wires/anthropic/signatures.ts';

/** Blocks of an answer, as they begin in a stream; the whole of an answer's block is the same with more in it. */
export const textBlock = (text = '', citations: readonly Citation[] = []): JsonObject => ({
  type: 'text',
  text,
  citations: citations.length === 0 ? null : citations.map(writeCitation),
});

export const thinkingBlock = (thinking = '', signature: Signature | null = null): JsonObject => ({
  type: 'thinking',
  thinking,
  signature: signature === null ? '' : writeSignature(signature),
});

export const redactedBlock = (data: Signature): JsonObject => ({
  type: 'redacted_thinking',
  data: writeSignature(data),
});

export const toolUseBlock = (id: string, name: string, input: JsonObject = {}): JsonObject => ({
  type: 'tool_use',
  id,
  name,
  input,
  caller: { type: 'direct' },
});

/** A citation as an answer holds it. A web source needs an index that only Anthropic's own search makes: empty for another's. */
export function writeCitation(citation: Citation): JsonObject {
  if (citation.kind === 'document') return { ...writeDocumentCitation(citation), file_id: null };
  return {
    type: 'web_search_result_location',
    url: citation.url,
    title: citation.title,
    cited_text: citation.citedText ?? '',
    encrypted_index: '',
  };
}

/** For an answer with an image or a sound in it: nobody can ask for one in this dialect, and it has no place for it. */
export function noPlaceFor(what: 'image' | 'audio'): RingsideError {
  return new RingsideError(
    'upstream_protocol',
    `The model answered with ${what === 'image' ? 'an image' : 'audio'}, for which the Messages API has no place.`,
  );
}
