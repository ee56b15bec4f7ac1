import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { settle } from '../../load/log-backlog.ts';
import { freePort } from '../../load/processes.ts';
import type { Peer, PeerOptions, StartedPeer } from '../peer.ts';
import { addGroups, addKeys } from './bulk.ts';
import { startGatewayProcess } from './gateway-process.ts';
import { type Installation, startInstallation } from './installation.ts';

/** How a Ringside differs from what users get. */
export interface Variation {
  /** Serving threads; the first on the serving core, the second on the other one, and so on in turn. */
  readonly workers?: number;
  /** Groups beside `bench`. */
  readonly groups?: number;
  /** API keys beside the one of the headers. */
  readonly keys?: number;
  /** Variables of the gateway. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Changes the configuration before the gateway starts. */
  readonly prepare?: (installation: Installation) => Promise<void>;
}

export interface StartedRingside extends StartedPeer {
  readonly installation: Installation;
  readonly metricsUrl: string;
  readonly dataFolder: string;
  /** Names of the extra groups, all of one length. */
  readonly groups: readonly string[];
  /** Secrets of the extra keys, all of one length. */
  readonly keys: readonly string[];
}

/**
 * Ringside as users run it: an API key, a split of two variants, metrics, the durable log shipped to PostgreSQL while it
 * runs; one worker on a core of its own, shipper and main thread on the other.
 */
export const ringside: Peer = {
  name: 'ringside',
  missing: async () => undefined,
  version: async () =>
    (JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string })
      .version,
  start: (options) => startRingside(options, {}),
};

/** Starts a Ringside of its own: PostgreSQL, control plane and one gateway, which serves all groups and keys when this resolves. */
export async function startRingside(options: PeerOptions, variation: Variation): Promise<StartedRingside> {
  const { upstreamUrl, core, otherCore, scratch } = options;
  const folder = join(scratch, `ringside-${await freePort()}`);
  const installation = await startInstallation({ folder, upstreamUrl, core: otherCore });
  const stops = [() => installation.stop()];
  const stop = async () => {
    for (const end of stops.toReversed()) await end();
  };
  try {
    await variation.prepare?.(installation);
    const groups = await addGroups(installation, variation.groups ?? 0);
    const keys = await addKeys(installation, variation.keys ?? 0);
    const workerCores = Array.from({ length: variation.workers ?? 1 }, (_, index) =>
      index % 2 === 0 ? core : otherCore,
    );
    const { environment = {} } = variation;
    const gateway = await startGatewayProcess(installation, { workerCores, otherCore, environment });
    stops.push(() => gateway.stop());
    const started = { ...gateway, installation, groups, keys, stop, settle: () => settle(gateway.metricsUrl) };
    await untilServed(started);
    return started;
  } catch (error) {
    await stop();
    throw error;
  }
}

const SERVED_WITHIN_MS = 60_000;

/** Waits until the last key may use the last group: a gateway takes keys, and groups, in one piece each. */
async function untilServed({ url, headers, model, groups, keys }: StartedRingside): Promise<void> {
  const lastKey = keys.at(-1);
  const deadline = performance.now() + SERVED_WITHIN_MS;
  for (;;) {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { ...headers, ...(lastKey === undefined ? {} : { authorization: `Bearer ${lastKey}` }) },
      body: JSON.stringify({ model: groups.at(-1) ?? model, messages: [] }),
    });
    const text = await answer.text();
    if (answer.ok) return;
    if (performance.now() > deadline) throw new Error(`the gateway does not serve what it should: ${text}`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}
