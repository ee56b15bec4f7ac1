import type { ProviderAdapter } from '../provider.ts';
import { CAPABILITIES, LIMITS } from './capabilities.ts';
import { mistralChat } from './chat.ts';
import { mistralEmbeddings } from './embeddings.ts';
import { readError } from './errors.ts';
import { MODELS } from './models.ts';
import { bind } from './request.ts';

/**
 * Mistral. Its API looks like OpenAI's, but takes neither all of its parameters nor its ids of tool calls: no dialect passes as it is.
 */
export const adapter: ProviderAdapter = {
  kind: 'mistral',
  bind,
  natives: {},
  chat: mistralChat,
  embeddings: mistralEmbeddings,
  capabilities: CAPABILITIES,
  limits: LIMITS,
  models: MODELS,
  readError,
};
