import type { ProviderAdapter } from '../provider.ts';
import { CAPABILITIES, LIMITS } from './capabilities.ts';
import { huggingfaceChat } from './chat.ts';
import { readError } from './errors.ts';
import { MODELS } from './models.ts';
import { bind } from './request.ts';

/** Hugging Face: its Inference Providers, dedicated endpoints and own servers of Text Generation Inference. */
export const adapter: ProviderAdapter = {
  kind: 'huggingface',
  bind,
  natives: {},
  chat: huggingfaceChat,
  capabilities: CAPABILITIES,
  limits: LIMITS,
  models: MODELS,
  readError,
};
