import type { ProviderAdapter } from '../provider.ts';
import { cohereChat } from './chat.ts';
import { readError } from './errors.ts';
import { bind } from './request.ts';

/** Cohere, in its own API: no dialect of callers is one that it speaks. */
export const adapter: ProviderAdapter = {
  kind: 'cohere',
  bind,
  natives: {},
  chat: cohereChat,
  readError,
};
