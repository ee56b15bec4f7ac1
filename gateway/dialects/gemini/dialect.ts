import type { ChatDialect } from '../../chat/dialect.ts';
import { errorBody, errorEvent } from './errors.ts';
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
  // White space before the first element would make the array look begun, which an error then could not end.
  keepAlive: (framing) => (framing === 'sse' ? ': keep-alive\n\n' : null),
};
