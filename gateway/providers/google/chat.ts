import type { ChatTranslation } from '#translation/chat/provider.ts';
import { readReply } from './chat-reply.ts';
import { writeRequest } from './chat-request.ts';
import { openReader } from './chat-stream.ts';

/** Chats with the Gemini API and with Gemini on Vertex AI; streams are always server-sent events. */
export const googleChat: ChatTranslation = {
  heads: { plain: 'generateContent', stream: 'streamEvents' },
  streamTypes: ['text/event-stream'],
  writeRequest,
  readReply,
  openReader,
};
