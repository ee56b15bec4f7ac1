import { oipWire } from '#gateway/wires/oip/wire.ts';
import type { ProviderAdapter } from '../provider.ts';
import { CAPABILITIES } from './capabilities.ts';
import { readError } from './errors.ts';
import { MODELS } from './models.ts';
import { bind } from './request.ts';

/** KServe, Triton, MLServer and every other server of the Open Inference Protocol. */
export const adapter: ProviderAdapter = {
  kind: 'oip',
  bind,
  natives: { oip: oipWire },
  chat: null,
  capabilities: CAPABILITIES,
  limits: [],
  models: MODELS,
  readError,
};
