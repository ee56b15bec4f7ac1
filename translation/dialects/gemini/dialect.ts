import type { ChatDialect } from '../../chat/dialect.ts';
import { errorBody, errorEvent, keepAlive } from './errors.ts';
import { writeReply } from './reply.ts';
import { readRequest } from './request.ts';
import { openWriter } from './stream.ts';

/** Gemini's `generateContent` and `streamGenerateContent`. */
export const geminiDialect: ChatDialect = {
  name: 'gemini',
  readRequest,
  writeReply,
  openWriter,
  streamType: (framing) => (framing === 'sse' ? 'text/event-stream' : 'application/json; charset=UTF-8'),
  errorBody,
  errorEvent,
  keepAlive,
};
