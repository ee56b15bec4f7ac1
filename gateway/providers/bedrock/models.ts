import { type ListedModel, type ProviderModels, parseModelList } from '#translation/chat/provider-models.ts';
import { isRecord } from './json.ts';

/** The models of an answer; those that are no longer offered are left out. Bedrock says neither their context nor their age. */
export function readModels(body: unknown): ListedModel[] {
  const list: unknown[] = isRecord(body) && Array.isArray(body['modelSummaries']) ? body['modelSummaries'] : [];
  return list.flatMap((item) => {
    if (!isRecord(item) || typeof item['modelId'] !== 'string') return [];
    const lifecycle = item['modelLifecycle'];
    if (isRecord(lifecycle) && lifecycle['status'] === 'LEGACY') return [];
    const displayName = typeof item['modelName'] === 'string' ? item['modelName'] : null;
    return [{ id: item['modelId'], displayName, contextTokens: null, createdUnixS: null }];
  });
}

/** `ListFoundationModels`, on the host `bedrock.<region>.amazonaws.com` and not on the runtime's; text models that are paid by the token. */
export const MODELS: ProviderModels = {
  method: 'GET',
  path: '/foundation-models?byOutputModality=TEXT&byInferenceType=ON_DEMAND',
  read: (body) => readModels(parseModelList(body)),
};
