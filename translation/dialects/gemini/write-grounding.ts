import type { Citation } from '../../chat/parts.ts';
import type { JsonRecord } from '../../wires/exact-json.ts';
import { byteOffset } from '../../wires/gemini/byte-offsets.ts';

/** A text part with its place in the content. */
export interface CitedText {
  readonly partIndex: number;
  /** Null where it was too long to keep. */
  readonly text: string | null;
  readonly citations: readonly Citation[];
}

/** The citations of an answer as `groundingMetadata`; undefined where there are none. */
export function writeGrounding(texts: readonly CitedText[]): JsonRecord | undefined {
  const chunks: JsonRecord[] = [];
  const places = new Map<string, number>();
  const supports: JsonRecord[] = [];
  for (const { partIndex, text, citations } of texts) {
    for (const citation of citations) {
      const chunk = writeChunk(citation);
      const key = JSON.stringify(chunk);
      const place = places.get(key) ?? chunks.push(chunk) - 1;
      places.set(key, place);
      supports.push({ segment: writeSegment(citation, partIndex, text), groundingChunkIndices: [place] });
    }
  }
  return chunks.length === 0 ? undefined : { groundingChunks: chunks, groundingSupports: supports };
}

function writeChunk(citation: Citation): JsonRecord {
  if (citation.kind === 'url') return { web: { uri: citation.url, title: citation.title ?? undefined } };
  const { documentTitle, citedText, unit, from } = citation;
  return {
    retrievedContext: {
      title: documentTitle ?? undefined,
      text: citedText,
      ...(unit === 'page' ? { pageNumber: from } : {}),
    },
  };
}

function writeSegment(citation: Citation, partIndex: number, text: string | null): JsonRecord {
  const segment: JsonRecord = partIndex === 0 ? {} : { partIndex };
  if (citation.kind === 'document') return segment;
  const { startIndex, endIndex, citedText } = citation;
  const end = text === null || endIndex === null ? null : byteOffset(text, endIndex);
  const start = text === null || startIndex === null ? null : byteOffset(text, startIndex);
  return {
    ...segment,
    startIndex: start ?? undefined,
    endIndex: end ?? undefined,
    text: citedText ?? undefined,
  };
}
