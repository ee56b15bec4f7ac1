import type { ChatTranslation } from '#translation/chat/provider.ts';
import { readReply } from '#translation/wires/openai/reply.ts';
import { writeRequest } from '#translation/wires/openai/request.ts';
import type { OpenAiServer } from '#translation/wires/openai/server.ts';
import { OPENAI } from '#translation/wires/openai/servers.ts';
import { openReader } from '#translation/wires/openai/stream.ts';

/** OpenAI's parameters as Azure has them. */
const AZURE: OpenAiServer = Object.freeze({
  ...OPENAI,
  serviceTiers: ['auto', 'default', 'priority'],
} satisfies OpenAiServer);

/** Chats with OpenAI's models at Azure: what its filters found stands beside them and is no part of an answer. */
export const azureChat: ChatTranslation = {
  heads: { plain: 'chat', stream: 'chat' },
  streamTypes: ['text/event-stream'],
  writeRequest: (request, model, refusals) => writeRequest(request, model, refusals, AZURE),
  readReply,
  openReader,
};
