import type { ProviderAdapter } from '../provider.ts';
import { CAPABILITIES } from './capabilities.ts';
import { bedrockChat } from './chat.ts';
import { readError } from './errors.ts';
import { MODELS } from './models.ts';
import { bind } from './request.ts';

/** The Amazon Bedrock Runtime, whatever model is behind it. Its own dialect is none of the gateway's. */
export const adapter: ProviderAdapter = {
  kind: 'bedrock',
  bind,
  natives: {},
  chat: bedrockChat,
  capabilities: CAPABILITIES,
  limits: [],
  models: MODELS,
  readError,
};
