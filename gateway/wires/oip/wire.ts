import type { NativeWire } from '../../providers/provider.ts';
import { readReply } from './reply.ts';

/** The one head of a target that infers. */
export const INFER = 'infer';

/** Tensors as they come, both ways: of servers of the Open Inference Protocol, and of others that take its bodies at another path. */
export const oipWire: NativeWire = {
  refusedKeys: [],
  forwardedHeaders: ['accept'],
  headName: () => INFER,
  isStream: () => false,
  readReply,
  openStream() {
    throw new Error('the Open Inference Protocol has no streams');
  },
};
