import { openaiNative } from '#gateway/wires/openai/native.ts';
import type { NativeWire, ProviderAdapter } from '../provider.ts';
import { CAPABILITIES } from './capabilities.ts';
import { openaiTranslation } from './chat.ts';
import { openaiEmbeddings } from './embeddings.ts';
import { openaiEndpoints } from './endpoints.ts';
import { readError } from './errors.ts';
import { MODELS } from './models.ts';
import { bind } from './request.ts';
import { readResponse } from './responses-reply.ts';
import { openResponsesStream } from './responses-stream.ts';

const openaiResponses: NativeWire = {
  ...openaiNative,
  headName: () => 'responses',
  readReply: readResponse,
  openStream: openResponsesStream,
};

/** OpenAI and every server that speaks its API. */
export const adapter: ProviderAdapter = {
  kind: 'openai',
  bind,
  natives: { 'openai-chat': openaiNative, 'openai-responses': openaiResponses, openai: openaiEndpoints },
  chat: openaiTranslation,
  embeddings: openaiEmbeddings,
  capabilities: CAPABILITIES,
  limits: [],
  models: MODELS,
  readError,
};
