import { RingsideError } from '#core/errors.ts';
import type { ListedModel } from '../../chat/provider-models.ts';
import { isObject, parseUpstream, textOf } from './json.ts';

/**
 * Reads `GET /models`. OpenAI gives id and birth alone; what its imitators add is read where it is: the context as `context_length`
 * (OpenRouter, Together), `max_model_len` (vLLM), `max_context_length` (Mistral) or `context_window` (Groq).
 */
export function readModels(body: Buffer): ListedModel[] {
  const list = parseUpstream(body.toString('utf8'), 'a list of models')['data'];
  if (!Array.isArray(list)) {
    throw new RingsideError('upstream_protocol', 'The upstream sent a list of models without "data".');
  }
  return list.filter(isObject).flatMap((model) => {
    const id = textOf(model['id']);
    if (id === null) return [];
    const context = ['context_length', 'max_model_len', 'max_context_length', 'context_window'];
    return [
      {
        id,
        displayName: textOf(model['display_name']) ?? textOf(model['name']),
        contextTokens: context.map((key) => count(model[key])).find((tokens) => tokens !== null) ?? null,
        createdUnixS: count(model['created']),
      },
    ];
  });
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
