import type { ChatTranslation } from '#translation/chat/provider.ts';
import { readReply } from '#translation/wires/openai/reply.ts';
import { writeRequest } from '#translation/wires/openai/request.ts';
import { COMPATIBLE, OPENAI } from '#translation/wires/openai/servers.ts';
import { openReader } from '#translation/wires/openai/stream.ts';

/** OpenAI itself, and its regions (`eu.api.openai.com`). */
const OWN_HOST = /^(?:[a-z0-9-]+\.)?api\.openai\.com$/;

/** Chats with OpenAI and with servers that speak its API, which name some settings otherwise and show their thoughts. */
export const openaiTranslation: ChatTranslation = {
  heads: { plain: 'chat', stream: 'chat' },
  streamTypes: ['text/event-stream'],
  writeRequest: (request, model, refusals) =>
    writeRequest(request, model, refusals, OWN_HOST.test(model.host ?? '') ? OPENAI : COMPATIBLE),
  readReply,
  openReader,
};
