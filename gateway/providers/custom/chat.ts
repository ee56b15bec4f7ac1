import type { CustomChat } from '#core/custom-provider.ts';
import type { ChatTranslation } from '#translation/chat/provider.ts';
import { compileReply } from './chat-reply.ts';
import { compileRequest } from './chat-request.ts';
import { compileStream } from './chat-stream.ts';

/** The names of the target's heads. */
export const HEADS = { plain: 'chat', stream: 'chat-stream' } as const;

const STREAM_TYPES = {
  sse: ['text/event-stream'],
  ndjson: ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/stream+json'],
} as const;

/** Compiles a definition to the translation of chats that it declares. */
export function compileChat(provider: CustomChat): ChatTranslation {
  const { stream } = provider;
  return {
    heads: HEADS,
    streamTypes: stream === undefined ? [] : STREAM_TYPES[stream.framing],
    writeRequest: compileRequest(provider),
    readReply: compileReply(provider),
    openReader:
      stream === undefined
        ? () => {
            throw new Error('this provider does not stream');
          }
        : compileStream(stream),
  };
}
