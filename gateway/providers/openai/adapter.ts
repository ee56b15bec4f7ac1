import type { NativeWire, ProviderAdapter } from '../provider.ts';
import { openaiTranslation } from './chat.ts';
import { readError } from './errors.ts';
import { readReply } from './reply.ts';
import { bind, REFUSED_KEYS } from './request.ts';
import { readResponse } from './responses-reply.ts';
import { openResponsesStream } from './responses-stream.ts';
import { openStream } from './stream.ts';

const EVENT_STREAM = /^text\/event-stream\b/i;

const openaiChat: NativeWire = {
  refusedKeys: REFUSED_KEYS,
  forwardedHeaders: ['accept', 'openai-beta', 'idempotency-key'],
  headName: (operation) => operation,
  isStream: (contentType) => EVENT_STREAM.test(contentType),
  readReply,
  openStream,
};

const openaiResponses: NativeWire = {
  ...openaiChat,
  headName: () => 'responses',
  readReply: readResponse,
  openStream: openResponsesStream,
};

/** OpenAI and every server that speaks its API. */
export const adapter: ProviderAdapter = {
  kind: 'openai',
  bind,
  natives: { 'openai-chat': openaiChat, 'openai-responses': openaiResponses },
  chat: openaiTranslation,
  readError,
};
