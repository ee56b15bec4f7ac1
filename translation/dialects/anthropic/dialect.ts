import type { ChatDialect } from '../../chat/dialect.ts';
import { errorBody, errorEvent } from './errors.ts';
import { writeReply } from './reply.ts';
import { readRequest } from './request.ts';
import { openWriter, PING } from './stream.ts';

/** Anthropic's Messages API (`POST /v1/messages`). */
export const anthropicDialect: ChatDialect = {
  name: 'anthropic',
  readRequest,
  writeReply,
  openWriter,
  streamType: () => 'text/event-stream; charset=utf-8',
  errorBody,
  errorEvent,
  // Its own sign of life: "any number of ping events" may be in a stream (Streaming messages, read 2026-11).
  keepAlive: () => PING,
};
