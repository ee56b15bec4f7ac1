import { openaiNative } from '../../wires/openai/native.ts';
import type { ProviderAdapter } from '../provider.ts';
import { openaiTranslation } from './chat.ts';
import { readError } from './errors.ts';
import { bind } from './request.ts';

/** OpenAI and every server that speaks its API. */
export const adapter: ProviderAdapter = {
  kind: 'openai',
  bind,
  natives: { 'openai-chat': openaiNative },
  chat: openaiTranslation,
  readError,
};
