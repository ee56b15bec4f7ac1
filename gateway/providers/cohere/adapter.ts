import type { ProviderAdapter } from '../provider.ts';
import { CAPABILITIES, LIMITS } from './capabilities.ts';
import { cohereChat } from './chat.ts';
import { cohereEmbeddings } from './embeddings.ts';
import { readError } from './errors.ts';
import { MODELS } from './models.ts';
import { bind } from './request.ts';

/** Cohere, in its own API: no dialect of callers is one that it speaks. */
export const adapter: ProviderAdapter = {
  kind: 'cohere',
  bind,
  natives: {},
  chat: cohereChat,
  embeddings: cohereEmbeddings,
  capabilities: CAPABILITIES,
  limits: LIMITS,
  models: MODELS,
  readError,
};
