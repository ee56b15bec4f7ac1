import type { Ingress } from '../ingress.ts';
import { bearer } from '../key-places.ts';
import { openaiChatDialect } from './dialect.ts';
import { errorBody, errorEvent } from './errors.ts';
import { openReassembler } from './reassemble.ts';
import { parseRequest, planRequest } from './request.ts';

/** OpenAI's chat completions, and its completions and embeddings, which look alike. */
export const openaiChat: Ingress = {
  name: 'openai-chat',
  planRequest,
  parseRequest,
  authorization: bearer,
  chat: openaiChatDialect,
  openReassembler,
  errorBody,
  errorEvent,
  keepAlive: openaiChatDialect.keepAlive,
  requestIdHeader: null,
};
