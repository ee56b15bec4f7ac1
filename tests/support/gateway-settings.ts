import { randomBytes } from 'node:crypto';
import type { GatewaySettings } from '#gateway/settings.ts';

/** A gateway of two workers on any free ports, with its data in `dataFolder` and a database that is away. */
export const gatewaySettings = (dataFolder: string, changes: Partial<GatewaySettings> = {}): GatewaySettings => ({
  ...{ release: 'test', databaseUrl: 'postgresql://nobody@127.0.0.1:1/none', dataFolder, workers: 2 },
  ...{ host: '127.0.0.1', port: 0, metricsHost: '127.0.0.1', metricsPort: 0 },
  ...{ keyring: [{ id: 'k', key: randomBytes(32) }], pepper: randomBytes(32), privateUpstreams: '' },
  ...{
    maxConnections: 10,
    maxBodyBytes: 1e6,
    maxHeldBodyBytes: 1e6,
    feedbackPerMinute: 60_000,
    maxSpoolBytes: 1e8,
    shipAfterMs: 250,
    drainMs: 1_000,
  },
  timeouts: { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000 },
  ...changes,
});
