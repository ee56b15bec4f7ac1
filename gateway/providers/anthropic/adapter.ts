import type { NativeWire, ProviderAdapter } from '../provider.ts';
import { CAPABILITIES } from './capabilities.ts';
import { anthropicChat } from './chat.ts';
import { readError } from './errors.ts';
import { withoutForeignThoughts } from './foreign-thoughts.ts';
import { MODELS } from './models.ts';
import { readFacts } from './reply.ts';
import { bind, REFUSED_KEYS, VERSION_HEADER } from './request.ts';
import { openStream } from './stream.ts';

const EVENT_STREAM = /^text\/event-stream\b/i;

const anthropicMessages: NativeWire = {
  refusedKeys: REFUSED_KEYS,
  forwardedHeaders: ['accept', 'anthropic-beta', VERSION_HEADER],
  headName: (operation) => operation,
  isStream: (contentType) => EVENT_STREAM.test(contentType),
  readReply: readFacts,
  openStream,
  rewriteBody: (_, body, upstreamModel) => withoutForeignThoughts(body, upstreamModel),
};

/** Anthropic and every server that speaks its Messages API. */
export const adapter: ProviderAdapter = {
  kind: 'anthropic',
  bind,
  natives: { anthropic: anthropicMessages },
  chat: anthropicChat,
  capabilities: CAPABILITIES,
  limits: [],
  models: MODELS,
  readError,
};
