import type { ListedModel, ProviderModels } from '#translation/chat/provider-models.ts';
import { isObject, listOf, parseUpstream } from '#translation/wires/openai/json.ts';
import { readModels as readWireModels } from '#translation/wires/openai/models.ts';

/**
 * Reads `GET /models` of the router or of TGI. The router lists the providers of each model with the context that each of them gives: without a
 * suffix it may choose any, so that the smallest is what can be relied on.
 */
function readModels(body: Buffer): ListedModel[] {
  const contexts = new Map<unknown, number>();
  for (const model of listOf(parseUpstream(body.toString('utf8'), 'a list of models')['data']).filter(isObject)) {
    const live = listOf(model['providers'])
      .filter(isObject)
      .filter(({ status }) => status === undefined || status === 'live');
    const given = live.map((provider) => provider['context_length']).filter((tokens) => typeof tokens === 'number');
    if (given.length > 0) contexts.set(model['id'], Math.min(...given));
  }
  return readWireModels(body).map((model) => ({
    ...model,
    contextTokens: contexts.get(model.id) ?? model.contextTokens,
  }));
}

/** Behind the base URL. */
export const MODELS: ProviderModels = { method: 'GET', path: '/models', read: readModels };
