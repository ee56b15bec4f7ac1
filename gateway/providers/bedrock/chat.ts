import type { ChatTranslation } from '#translation/chat/provider.ts';
import { readReply } from './chat-reply.ts';
import { writeRequest } from './chat-request.ts';
import { openReader } from './chat-stream.ts';
import { HEADS } from './request.ts';

/** Converse and ConverseStream of the Amazon Bedrock Runtime. */
export const bedrockChat: ChatTranslation = {
  heads: HEADS,
  streamTypes: ['application/vnd.amazon.eventstream'],
  writeRequest,
  readReply,
  openReader,
};
