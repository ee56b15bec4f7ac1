import type { ProviderAdapter } from '../provider.ts';
import { readError } from './errors.ts';
import { readReply } from './reply.ts';
import { bind, REFUSED_KEYS } from './request.ts';
import { openStream } from './stream.ts';

/** OpenAI and every server that speaks its API. */
export const openaiAdapter: ProviderAdapter = {
  kind: 'openai',
  refusedKeys: REFUSED_KEYS,
  bind,
  readReply,
  openStream,
  readError,
};
