import { type ListedModel, type ProviderModels, parseModelList } from '#translation/chat/provider-models.ts';
import { isRecord } from '#translation/wires/exact-json.ts';

/**
 * Reads Google's list of models: `models` of the Gemini API, `publisherModels` of Vertex AI. Names come as `models/gemini-…` or
 * `publishers/google/models/gemini-…`. Empty for what is no such list.
 */
function readModels(body: Buffer): ListedModel[] {
  const value = parseModelList(body);
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

/** Below the base URL; the largest page the API gives ("Models", read 2026-11). */
export const MODELS: ProviderModels = { method: 'GET', path: '/models?pageSize=1000', read: readModels };
