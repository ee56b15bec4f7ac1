import type { NativeWire, ProviderAdapter } from '../provider.ts';
import { readError } from './errors.ts';
import { readReply } from './reply.ts';
import { bind } from './request.ts';

const infer: NativeWire = {
  refusedKeys: [],
  forwardedHeaders: ['accept'],
  headName: (operation) => operation,
  isStream: () => false,
  readReply,
  openStream() {
    throw new Error('the Open Inference Protocol has no streams');
  },
};

/** KServe, Triton, MLServer and every other server of the Open Inference Protocol. */
export const adapter: ProviderAdapter = {
  kind: 'oip',
  bind,
  natives: { oip: infer },
  chat: null,
  readError,
};
