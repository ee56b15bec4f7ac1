import type { ChatTranslation } from '../../chat/provider.ts';
import { readReply } from './chat-reply.ts';
import { writeRequest } from './chat-request.ts';
import { openReader } from './chat-stream.ts';

/** Converse and ConverseStream of the Amazon Bedrock Runtime. */
export const bedrockChat: ChatTranslation = { writeRequest, readReply, openReader };
