import { oipWire } from '#gateway/wires/oip/wire.ts';
import type { ProviderAdapter } from '../provider.ts';
import { CAPABILITIES } from './capabilities.ts';
import { readError } from './errors.ts';
import { bind } from './request.ts';

/** Any provider whose API is declared as data: docs/custom-providers.md. Each has a translation of its own, on its targets. */
export const adapter: ProviderAdapter = {
  kind: 'custom',
  bind,
  natives: { oip: oipWire },
  chat: null,
  capabilities: CAPABILITIES,
  limits: [],
  models: null,
  readError,
};
