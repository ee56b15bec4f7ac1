import type { ChatTranslation } from '../../chat/provider.ts';
import { readReply } from './chat-reply.ts';
import { writeRequest } from './chat-request.ts';
import { openReader } from './chat-stream.ts';

/** Chats with the Gemini API and with Gemini on Vertex AI. */
export const googleChat: ChatTranslation = { writeRequest, readReply, openReader };
