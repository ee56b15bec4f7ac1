import type { Ingress } from '../ingress.ts';
import { bearer } from '../key-places.ts';
import { errorBody, errorEvent } from '../openai-errors.ts';
import { parseForm, planForm } from './form-request.ts';
import { parseRequest, planRequest } from './request.ts';

/** What OpenAI has beside its chats, in JSON (moderations, images, speech), and `/v1/rerank`, which compatible servers have. */
export const openai: Ingress = {
  name: 'openai',
  planRequest,
  parseRequest,
  authorization: bearer,
  chat: null,
  openReassembler: null,
  hasBinaryAnswers: true,
  errorBody,
  errorEvent,
  keepAlive: () => ': keep-alive\n\n',
  requestIdHeader: null,
};

/** The same for what is uploaded: transcriptions, translations, and images made from others. */
export const openaiForms: Ingress = { ...openai, planRequest: planForm, parseRequest: parseForm };
