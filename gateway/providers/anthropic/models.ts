import type { ListedModel, ProviderModels } from '#translation/chat/provider-models.ts';
import type { JsonObject } from '#translation/chat/request.ts';
import { protocol } from './chat-reply.ts';

/** Reads the provider's list of models. Throws `upstream_protocol` for what is none. */
function readModels(body: Buffer): ListedModel[] {
  let list: JsonObject | null;
  try {
    list = JSON.parse(body.toString('utf8')) as JsonObject | null;
  } catch (cause) {
    throw protocol('sent a list of models that is not JSON', cause);
  }
  const data = list?.['data'];
  if (!Array.isArray(data)) throw protocol('sent no list of models');
  return data.flatMap((value: unknown) => {
    const model = value as JsonObject | null;
    if (typeof model?.['id'] !== 'string') return [];
    const { id, display_name: name, max_input_tokens: tokens, created_at: created } = model;
    return [
      {
        id: id as string,
        displayName: typeof name === 'string' ? name : null,
        contextTokens: typeof tokens === 'number' ? tokens : null,
        createdUnixS: readTime(created),
      },
    ];
  });
}

/** RFC 3339 to Unix seconds. The API says 1970 where it does not know. */
function readTime(text: unknown): number | null {
  const ms = typeof text === 'string' ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) || ms === 0 ? null : Math.floor(ms / 1000);
}

/** Behind the base URL. A page holds up to 1 000 models, which is more than there are (API reference, "List Models", read 2026-11). */
export const MODELS: ProviderModels = { method: 'GET', path: '/models?limit=1000', read: readModels };
