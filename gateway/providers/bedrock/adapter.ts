import type { ProviderAdapter } from '../provider.ts';
import { bedrockChat } from './chat.ts';
import { readError } from './errors.ts';
import { bind } from './request.ts';

/** The Amazon Bedrock Runtime, whatever model is behind it. Its own dialect is none of the gateway's. */
export const adapter: ProviderAdapter = {
  kind: 'bedrock',
  bind,
  natives: {},
  chat: bedrockChat,
  readError,
};
