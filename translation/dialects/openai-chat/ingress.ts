import type { Ingress } from '../ingress.ts';
import { bearer } from '../key-places.ts';
import { openaiChatDialect } from './dialect.ts';
import { openaiEmbeddings } from './embeddings.ts';
import { errorBody, errorEvent } from './errors.ts';
import { modelList } from './models.ts';
import { openReassembler } from './reassemble.ts';
import { parseRequest, planRequest } from './request.ts';

/** OpenAI's chat completions, and its completions and embeddings, which look alike. */
export const openaiChat: Ingress = {
  name: 'openai-chat',
  planRequest,
  parseRequest,
  authorization: bearer,
  chat: openaiChatDialect,
  embeddings: openaiEmbeddings,
  openReassembler,
  errorBody,
  errorEvent,
  keepAlive: openaiChatDialect.keepAlive,
  modelList,
  requestIdHeader: null,
};
