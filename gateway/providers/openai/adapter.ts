import type { NativeWire, ProviderAdapter } from '../provider.ts';
import { readError } from './errors.ts';
import { readReply } from './reply.ts';
import { bind, REFUSED_KEYS } from './request.ts';
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

/** OpenAI and every server that speaks its API. */
export const adapter: ProviderAdapter = {
  kind: 'openai',
  bind,
  natives: { 'openai-chat': openaiChat },
  chat: null,
  readError,
};
