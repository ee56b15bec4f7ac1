import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createOwner } from '#control-plane/access/bootstrap.ts';
import { startControlPlane } from '#control-plane/main.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { ensureDatabase, startEmbeddedPostgres } from '#store/embedded-postgres.ts';
import { migrate } from '#store/migrate.ts';
import { createPool } from '#store/pool.ts';
import { freePort, launch, pinThreads, untilAnswers } from '../../load/processes.ts';
import type { Peer } from '../peer.ts';

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
  async start({ upstreamUrl, core, otherCore, scratch }) {
    const port = await freePort();
    const metricsPort = await freePort();
    const folder = join(scratch, 'ringside');
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), password: 'bench' });
    await ensureDatabase(postgres.databaseUrl);
    await migrate(postgres.databaseUrl);
    const pepper = randomBytes(32);
    const encryptionKey = randomBytes(32);
    const db = createPool({
      databaseUrl: postgres.databaseUrl,
      role: 'application',
      maxConnections: 1,
      applicationName: 'bench',
    });
    const { adminToken } = await createOwner(db, { organizationName: 'bench', tokenName: 'bench', pepper });
    await db.destroy();
    const control = await startControlPlane({
      databaseUrl: postgres.databaseUrl,
      host: '127.0.0.1',
      port: 0,
      keyring: [{ id: 'k1', key: encryptionKey }],
      pepper,
      privateUpstreams: parseAddressPolicy('127.0.0.0/8'),
      log: () => undefined,
    });
    const api = async (method: string, path: string, body: unknown) => {
      const answer = await fetch(`http://127.0.0.1:${control.port}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
      return (await answer.json()) as { key: string };
    };
    await api('POST', '/providers', { name: 'up', kind: 'openai', baseUrl: `${upstreamUrl}/v1`, apiKey: 'sk-bench' });
    for (const name of ['champion', 'challenger'])
      await api('POST', '/models', { name, provider: 'up', upstreamModel: 'bench' });
    await api('POST', '/groups', { name: 'bench' });
    await api('PUT', '/groups/bench/variants', [
      { model: 'champion', role: 'champion', weightBp: 9_000 },
      { model: 'challenger', role: 'challenger', weightBp: 1_000 },
    ]);
    const { key } = await api('POST', '/keys', { name: 'bench' });
    const gateway = await launch({
      command: process.execPath,
      args: [new URL('../../../bin/ringside.mjs', import.meta.url).pathname, 'gateway'],
      core: otherCore,
      env: {
        DATABASE_URL: postgres.databaseUrl,
        RINGSIDE_ENCRYPTION_KEYS: `k1:${encryptionKey.toString('base64')}`,
        RINGSIDE_KEY_PEPPER: pepper.toString('base64'),
        RINGSIDE_PRIVATE_UPSTREAMS: '127.0.0.0/8',
        RINGSIDE_DATA_DIR: folder,
        RINGSIDE_GATEWAY_LISTEN: String(port),
        RINGSIDE_METRICS_LISTEN: String(metricsPort),
        RINGSIDE_WORKERS: '1',
      },
      ready: () => untilAnswers(`http://127.0.0.1:${metricsPort}/metrics`),
    });
    if (pinThreads(gateway.pid, /^gateway-0/, core) !== 1) throw new Error('the serving thread was not found');
    return {
      url: `http://127.0.0.1:${port}/v1/chat/completions`,
      headers: { authorization: `Bearer ${key}` },
      model: 'bench',
      pid: gateway.pid,
      async stop() {
        await gateway.stop();
        await control.stop();
        await postgres.stop();
      },
    };
  },
};
