import { isObject, listOf, parseUpstream, textOf } from '#translation/wires/openai/json.ts';
import type { ListedModel } from '#translation/wires/openai/models.ts';
import { count } from './chat-facts.ts';

/** Behind the base URL. The list has pages of up to 1 000, and Cohere has fewer. */
export const MODELS_PATH = '/v1/models?page_size=1000';

/** Reads `GET /v1/models`; what is deprecated is left out. Cohere says when none of its models was born. */
export function readModels(body: Buffer): ListedModel[] {
  const models = listOf(parseUpstream(body.toString('utf8'), 'a list of models')['models']);
  return models.filter(isObject).flatMap((model) => {
    const id = textOf(model['name']);
    if (id === null || model['is_deprecated'] === true) return [];
    return [{ id, displayName: null, contextTokens: count(model['context_length']), createdUnixS: null }];
  });
}
