import type { ChatTranslation } from '#translation/chat/provider.ts';
import { readReply } from './chat-reply.ts';
import { writeRequest } from './chat-request.ts';
import { openReader } from './chat-stream.ts';

/** Chats of any dialect through Anthropic's Messages API. */
export const anthropicChat: ChatTranslation = {
  heads: { plain: 'translated', stream: 'translated' },
  streamTypes: ['text/event-stream'],
  writeRequest,
  readReply,
  openReader,
};
