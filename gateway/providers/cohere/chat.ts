import type { ChatTranslation } from '#translation/chat/provider.ts';
import { readReply } from './chat-reply.ts';
import { writeRequest } from './chat-request.ts';
import { openReader } from './chat-stream.ts';

/** Chats in the words of Cohere's API v2. */
export const cohereChat: ChatTranslation = {
  heads: { plain: 'chat', stream: 'chat' },
  streamTypes: ['text/event-stream'],
  writeRequest,
  readReply,
  openReader,
};
