import type { ListedModel, ProviderModels } from '#translation/chat/provider-models.ts';
import { isObject, listOf, objectOf, parseUpstream } from '#translation/wires/openai/json.ts';
import { readModels as readWireModels } from '#translation/wires/openai/models.ts';

/** Reads `GET /models`, without what does not chat. Mistral lists a model once for each of its names. */
function readModels(body: Buffer): ListedModel[] {
  const list = listOf(parseUpstream(body.toString('utf8'), 'a list of models')['data']).filter(isObject);
  const unfit = new Set(
    list
      .filter((model) => objectOf(model['capabilities'])['completion_chat'] === false)
      .map((model) => String(model['id'])),
  );
  return readWireModels(body).filter(({ id }) => !unfit.has(id));
}

/** Behind the base URL. */
export const MODELS: ProviderModels = { method: 'GET', path: '/models', read: readModels };
