import type { ChatDialect } from '../../chat/dialect.ts';
import { writeReply } from './chat-reply.ts';
import { readRequest } from './chat-request.ts';
import { KEEP_ALIVE, openWriter } from './chat-stream.ts';
import { errorBody, errorEvent } from './errors.ts';

/** OpenAI's chat completions, for models that speak another dialect. */
export const openaiChatDialect: ChatDialect = {
  name: 'openai-chat',
  readRequest,
  writeReply,
  openWriter,
  streamType: () => 'text/event-stream; charset=utf-8',
  errorBody,
  errorEvent: (error) => errorEvent(error),
  keepAlive: () => KEEP_ALIVE,
};
