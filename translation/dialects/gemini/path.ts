import type { RequestTarget } from '../../chat/dialect.ts';

export const GEMINI_METHODS = [
  'generateContent',
  'streamGenerateContent',
  'countTokens',
  'embedContent',
  'batchEmbedContents',
] as const;
export type GeminiMethod = (typeof GEMINI_METHODS)[number];

export interface GeminiPath {
  readonly method: GeminiMethod;
  /** The group's name stands in `target.model`. */
  readonly target: RequestTarget & { readonly model: string };
  /** The API key of the query, where it is there; `x-goog-api-key` comes before it. */
  readonly queryKey: string | null;
}

const PATH = /^\/v1(?:beta)?\/models\/([^/]+):([A-Za-z]+)$/;

/**
 * Reads `/v1beta/models/{group}:{method}` (and the same below `/v1`); null where the path is none of Gemini's. A group's name may hold
 * colons: what follows the last one is the method. `query` is without its question mark.
 */
export function parsePath(path: string, query: string): GeminiPath | null {
  const match = PATH.exec(path);
  const method = GEMINI_METHODS.find((name) => name === match?.[2]);
  const model = match?.[1] === undefined ? null : decode(match[1]);
  if (method === undefined || model === null) return null;
  const params = new URLSearchParams(query);
  const alt = params.get('alt') ?? params.get('$alt');
  const stream = method === 'streamGenerateContent';
  // Only streams have the second framing, so that it tells one from a plain answer of the same media type.
  const framing = stream && alt !== 'sse' ? 'json-array' : 'sse';
  const isBatch = method === 'batchEmbedContents';
  return { method, target: { model, stream, framing, isBatch }, queryKey: params.get('key') };
}

/** A query without the API key in it, however it is encoded: for everything that is logged or sent on. */
export function withoutKey(query: string): string {
  if (!/key|%/i.test(query)) return query;
  const params = new URLSearchParams(query);
  params.delete('key');
  return params.toString();
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // no group has such a name
  }
}
