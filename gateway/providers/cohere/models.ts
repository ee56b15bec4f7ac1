import type { ListedModel, ProviderModels } from '#translation/chat/provider-models.ts';
import { isObject, listOf, parseUpstream, textOf } from '#translation/wires/openai/json.ts';
import { count } from './chat-facts.ts';

/** Reads `GET /v1/models`; what is deprecated is left out. Cohere says when none of its models was born. */
function readModels(body: Buffer): ListedModel[] {
  const models = listOf(parseUpstream(body.toString('utf8'), 'a list of models')['models']);
  return models.filter(isObject).flatMap((model) => {
    const id = textOf(model['name']);
    if (id === null || model['is_deprecated'] === true) return [];
    return [{ id, displayName: null, contextTokens: count(model['context_length']), createdUnixS: null }];
  });
}

/** Behind the base URL. The list has pages of up to 1 000, and Cohere has fewer. */
export const MODELS: ProviderModels = { method: 'GET', path: '/v1/models?page_size=1000', read: readModels };
