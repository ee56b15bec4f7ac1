import type { Ingress } from '../ingress.ts';
import { bearer } from '../key-places.ts';
import { errorBody } from './errors.ts';
import { parseRequest, planRequest } from './request.ts';

/** The Open Inference Protocol: tensors in, tensors out, and no streams. */
export const oip: Ingress = {
  name: 'oip',
  planRequest,
  parseRequest,
  authorization: bearer,
  chat: null,
  openReassembler: null,
  errorBody,
  errorEvent: errorBody,
  keepAlive: () => null,
  requestIdHeader: null,
};
