import { openaiNative } from '#gateway/wires/openai/native.ts';
import { foreignMarks } from '../foreign-marks.ts';
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
  // `rs1.`, `rs1r.` and `rs1c.`: see translation/dialects/openai-responses/signatures.ts. OpenAI answers 400 to them.
  isForeign: foreignMarks('"rs1', /"encrypted_content"\s*:\s*$/),
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
