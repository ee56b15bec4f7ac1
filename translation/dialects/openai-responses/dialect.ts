import type { ChatDialect } from '../../chat/dialect.ts';
import { errorBody, errorEvent } from './errors.ts';
import { writeReply } from './reply.ts';
import { readRequest } from './request.ts';
import { openWriter } from './stream.ts';

/** OpenAI's `POST /v1/responses`, for models of any provider. */
export const openaiResponsesDialect: ChatDialect = {
  name: 'openai-responses',
  readRequest,
  writeReply,
  openWriter,
  streamType: () => 'text/event-stream; charset=utf-8',
  errorBody,
  errorEvent,
  keepAlive: () => ': keep-alive\n\n',
};
