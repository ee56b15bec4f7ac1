import { isRecord } from '#translation/wires/gemini/exact-json.ts';

/** Below the base URL; the largest page the API gives ("Models", read 2026-11). */
export const MODELS_PATH = '/models?pageSize=1000';

/** A model as the provider lists it. */
export interface ListedModel {
  readonly id: string;
  readonly displayName: string | null;
  readonly contextTokens: number | null;
  readonly createdUnixS: number | null;
}

/**
 * Reads Google's list of models: `models` of the Gemini API, `publisherModels` of Vertex AI. Names come as `models/gemini-…` or
 * `publishers/google/models/gemini-…`. Empty for what is no such list.
 */
export function readModels(body: Buffer): ListedModel[] {
  const value = parse(body);
  const list = isRecord(value) ? (value['models'] ?? value['publisherModels']) : null;
  if (!Array.isArray(list)) return [];
  return list.flatMap((model: unknown) => {
    if (!isRecord(model) || typeof model['name'] !== 'string') return [];
    const { displayName, inputTokenLimit } = model;
    return [
      {
        id: model['name'].replace(/^.*models\//, ''),
        displayName: typeof displayName === 'string' ? displayName : null,
        contextTokens: typeof inputTokenLimit === 'number' ? inputTokenLimit : null,
        createdUnixS: null,
      },
    ];
  });
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}
