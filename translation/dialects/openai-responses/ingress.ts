import type { Ingress } from '../ingress.ts';
import { bearer } from '../key-places.ts';
import { openaiResponsesDialect } from './dialect.ts';
import { errorBody, errorEvent } from './errors.ts';
import { parseRequest, planRequest } from './governed-keys.ts';
import { openReassembler } from './reassemble.ts';

/** OpenAI's Responses API: `POST /v1/responses`. */
export const openaiResponses: Ingress = {
  name: 'openai-responses',
  planRequest,
  parseRequest,
  authorization: bearer,
  chat: openaiResponsesDialect,
  openReassembler,
  errorBody,
  errorEvent,
  keepAlive: openaiResponsesDialect.keepAlive,
  requestIdHeader: null,
};
