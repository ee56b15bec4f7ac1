import type { Citation } from '#translation/chat/parts.ts';
import { isRecord, type JsonRecord } from '#translation/wires/exact-json.ts';
import { unitOffset } from '#translation/wires/gemini/byte-offsets.ts';

/**
 * What a candidate's text rests on, from its `groundingMetadata` and its `citationMetadata`. `text`: that of its only text part, in which
 * the offsets count bytes; null where there is none or more than one.
 */
export function readCitations(grounding: unknown, citations: unknown, text: string | null): Citation[] {
  return [...readGrounding(grounding, text), ...readSources(citations, text)];
}

function readGrounding(grounding: unknown, text: string | null): Citation[] {
  if (!isRecord(grounding)) return [];
  const chunks = listOf(grounding['groundingChunks']).map(readChunk);
  const supports = listOf(grounding['groundingSupports']);
  if (supports.length === 0) return chunks.flatMap((chunk) => (chunk === null ? [] : [cite(chunk, null, {}, text)]));
  return supports.flatMap((support) => {
    const segment = isRecord(support['segment']) ? support['segment'] : {};
    const indices = Array.isArray(support['groundingChunkIndices']) ? support['groundingChunkIndices'] : [];
    return indices.flatMap((index) => {
      const chunk = typeof index === 'number' ? (chunks[index] ?? null) : null;
      return chunk === null ? [] : [cite(chunk, textOf(segment['text']), segment, text)];
    });
  });
}

interface Chunk {
  readonly url: string;
  readonly title: string | null;
}

/** A chunk of the web, of maps or of a store of documents. */
function readChunk(chunk: JsonRecord): Chunk | null {
  const place = [chunk['web'], chunk['retrievedContext'], chunk['maps']].find(isRecord);
  const url = place === undefined ? null : textOf(place['uri']);
  return place === undefined || url === null ? null : { url, title: textOf(place['title']) };
}

/** Passages that the model recited. */
function readSources(metadata: unknown, text: string | null): Citation[] {
  if (!isRecord(metadata)) return [];
  // The REST API calls them citationSources, Vertex citations.
  return listOf(metadata['citationSources'] ?? metadata['citations']).flatMap((source) => {
    const url = textOf(source['uri']);
    return url === null ? [] : [cite({ url, title: textOf(source['title']) }, null, source, text)];
  });
}

function cite({ url, title }: Chunk, citedText: string | null, place: JsonRecord, text: string | null): Citation {
  const end = place['endIndex'];
  // Protocol buffers leave a zero out.
  const start = place['startIndex'] ?? (end === undefined ? undefined : 0);
  const offset = (value: unknown) => (text !== null && typeof value === 'number' ? unitOffset(text, value) : null);
  return { kind: 'url', url, title, citedText, startIndex: offset(start), endIndex: offset(end) };
}

function listOf(value: unknown): JsonRecord[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
