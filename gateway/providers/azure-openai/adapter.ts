import { openaiNative } from '#gateway/wires/openai/native.ts';
import type { ProviderAdapter } from '../provider.ts';
import { CAPABILITIES, LIMITS } from './capabilities.ts';
import { azureChat } from './chat.ts';
import { readError } from './errors.ts';
import { MODELS } from './models.ts';
import { bind } from './request.ts';

/** OpenAI's models at Azure: another address, other credentials, and filters. */
export const adapter: ProviderAdapter = {
  kind: 'azure-openai',
  bind,
  natives: { 'openai-chat': openaiNative },
  chat: azureChat,
  capabilities: CAPABILITIES,
  limits: LIMITS,
  models: MODELS,
  readError,
};
