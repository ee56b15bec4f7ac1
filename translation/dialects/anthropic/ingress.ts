import type { Ingress } from '../ingress.ts';
import { keyHeader } from '../key-places.ts';
import { anthropicDialect } from './dialect.ts';
import { errorBody, errorEvent } from './errors.ts';
import { parseRequest, planRequest } from './governed-keys.ts';
import { modelList } from './models.ts';
import { openReassembler } from './reassemble.ts';

/** Anthropic's Messages API: `/v1/messages` and `/v1/messages/count_tokens`. */
export const anthropic: Ingress = {
  name: 'anthropic',
  planRequest,
  parseRequest,
  authorization: keyHeader('x-api-key'),
  chat: anthropicDialect,
  openReassembler,
  errorBody,
  errorEvent,
  keepAlive: anthropicDialect.keepAlive,
  modelList,
  requestIdHeader: 'request-id',
};
