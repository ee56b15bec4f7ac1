import type { ChatTranslation } from '../../chat/provider.ts';
import { readReply } from '../../wires/openai/reply.ts';
import { writeRequest } from '../../wires/openai/request.ts';
import type { OpenAiServer } from '../../wires/openai/server.ts';
import { COMPATIBLE, OPENAI } from '../../wires/openai/servers.ts';
import { openReader } from '../../wires/openai/stream.ts';

/** Chats with a server of OpenAI's chat completions API. */
function translate(server: OpenAiServer): ChatTranslation {
  return {
    writeRequest: (request, model, refusals) => writeRequest(request, model, refusals, server),
    readReply,
    openReader,
  };
}

/** OpenAI itself. */
export const openaiChat: ChatTranslation = translate(OPENAI);

/** Servers that speak its API: other names of settings, and thoughts that are shown. */
export const compatibleChat: ChatTranslation = translate(COMPATIBLE);
