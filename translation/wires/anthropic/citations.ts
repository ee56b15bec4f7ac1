import type { Citation } from '../../chat/parts.ts';
import type { JsonObject } from '../../chat/request.ts';

/** How Anthropic names the ends of a document citation, by what they count (Messages API, citations). */
const UNITS = {
  char: { type: 'char_location', from: 'start_char_index', to: 'end_char_index' },
  page: { type: 'page_location', from: 'start_page_number', to: 'end_page_number' },
  block: { type: 'content_block_location', from: 'start_block_index', to: 'end_block_index' },
} as const;

/** One citation of a text block; null for a kind that has no place in the neutral words. */
export function readCitation(value: unknown): Citation | null {
  if (typeof value !== 'object' || value === null) return null;
  const fields = value as JsonObject;
  switch (fields['type']) {
    case 'char_location':
      return readDocumentCitation(fields, 'char');
    case 'page_location':
      return readDocumentCitation(fields, 'page');
    case 'content_block_location':
      return readDocumentCitation(fields, 'block');
    case 'web_search_result_location':
      return readUrlCitation(fields, fields['url']);
    case 'search_result_location':
      return readUrlCitation(fields, fields['source']);
    default:
      return null;
  }
}

function readDocumentCitation(fields: JsonObject, unit: keyof typeof UNITS): Citation {
  return {
    kind: 'document',
    documentIndex: numberOr(fields['document_index'], 0),
    documentTitle: textOrNull(fields['document_title']),
    citedText: textOrNull(fields['cited_text']) ?? '',
    unit,
    from: numberOr(fields[UNITS[unit].from], 0),
    to: numberOr(fields[UNITS[unit].to], 0),
  };
}

function readUrlCitation(fields: JsonObject, url: unknown): Citation | null {
  if (typeof url !== 'string') return null;
  return {
    kind: 'url',
    url,
    title: textOrNull(fields['title']),
    citedText: textOrNull(fields['cited_text']),
    startIndex: null,
    endIndex: null,
  };
}

/** A document citation as a request or an answer holds it. */
export function writeDocumentCitation(citation: Extract<Citation, { kind: 'document' }>): JsonObject {
  const { type, from, to } = UNITS[citation.unit];
  return {
    type,
    cited_text: citation.citedText,
    document_index: citation.documentIndex,
    document_title: citation.documentTitle,
    [from]: citation.from,
    [to]: citation.to,
  };
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}
