import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createOwner } from '#control-plane/access/bootstrap.ts';
import { ensureDatabase, startEmbeddedPostgres } from '#store/embedded-postgres.ts';
import { migrate } from '#store/migrate.ts';
import { createPool, type Db } from '#store/pool.ts';
import { freePort, launch, untilAnswers } from '../../load/processes.ts';

/** A database and a control plane with the group `bench`: what gateways are started on. */
export interface Installation {
  /** What every Ringside process of this installation needs; a gateway adds its ports and folders. */
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly organizationId: string;
  readonly pepper: Uint8Array;
  /** Of role `application`, for rows that come by the thousand. */
  readonly db: Db;
  /** An API key that may use every group. */
  readonly key: string;
  /** Calls the control API. @throws when it answers anything but 2xx */
  api(method: string, path: string, body: unknown): Promise<ApiAnswer>;
  stop(): Promise<void>;
}

export interface ApiAnswer {
  readonly headers: Headers;
  readonly body: unknown;
}

export const RINGSIDE_COMMAND = new URL('../../../bin/ringside.mjs', import.meta.url).pathname;
export const GROUP = 'bench';
/** The split of the group `bench`, and of every other one. */
export const VARIANTS = [
  { model: 'champion', role: 'champion', weightBp: 9_000 },
  { model: 'challenger', role: 'challenger', weightBp: 1_000 },
] as const;

/** Starts PostgreSQL and the control plane, and makes provider, models, group and key through the control API. */
export async function startInstallation(options: {
  readonly folder: string;
  readonly upstreamUrl: string;
  readonly core: number;
}): Promise<Installation> {
  const { folder } = options;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), password: 'bench' });
  const stops = [() => postgres.stop()];
  const stop = async () => {
    for (const end of stops.toReversed()) await end();
  };
  try {
    const { databaseUrl } = postgres;
    await ensureDatabase(databaseUrl);
    await migrate(databaseUrl);
    const db = createPool({ databaseUrl, role: 'application', maxConnections: 1, applicationName: 'bench' });
    stops.push(() => db.destroy());
    const pepper = randomBytes(32);
    const owner = { organizationName: 'bench', tokenName: 'bench', pepper };
    const { adminToken, organizationId } = await createOwner(db, owner);
    const environment = environmentOf(databaseUrl, pepper);
    const control = await startControlPlane(environment, options.core);
    stops.push(() => control.stop());
    const api = controlApi(control.url, adminToken);
    const key = await configure(api, options.upstreamUrl);
    return { environment, folder, organizationId, pepper, db, key, api, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function environmentOf(databaseUrl: string, pepper: Buffer): Installation['environment'] {
  return {
    DATABASE_URL: databaseUrl,
    RINGSIDE_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    RINGSIDE_KEY_PEPPER: pepper.toString('base64'),
    RINGSIDE_PRIVATE_UPSTREAMS: '127.0.0.0/8',
  };
}

async function startControlPlane(environment: Installation['environment'], core: number) {
  const port = await freePort();
  const running = await launch({
    command: process.execPath,
    args: [RINGSIDE_COMMAND, 'control-plane'],
    core,
    env: { ...environment, RINGSIDE_CONTROL_LISTEN: String(port) },
    ready: () => untilAnswers(`http://127.0.0.1:${port}/readyz`),
  });
  return { ...running, url: `http://127.0.0.1:${port}/api/v1` };
}

function controlApi(url: string, adminToken: string): Installation['api'] {
  return async (method, path, body) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return { headers: answer.headers, body: await answer.json() };
  };
}

/** @returns the API key */
async function configure(api: Installation['api'], upstreamUrl: string): Promise<string> {
  await api('POST', '/providers', { name: 'up', kind: 'openai', baseUrl: `${upstreamUrl}/v1`, apiKey: 'sk-bench' });
  for (const { model } of VARIANTS)
    await api('POST', '/models', { name: model, provider: 'up', upstreamModel: 'bench' });
  await addGroup(api, GROUP);
  const { body } = await api('POST', '/keys', { name: 'bench' });
  return (body as { key: string }).key;
}

/** Makes a group with the usual split. `settings`: as the control API takes them, for instance `capture`. */
export async function addGroup(
  api: Installation['api'],
  name: string,
  settings: object = {},
  models: readonly string[] = VARIANTS.map(({ model }) => model),
): Promise<void> {
  await api('POST', '/groups', { name, ...settings });
  const variants = VARIANTS.map((variant, index) => ({ ...variant, model: models[index] }));
  await api('PUT', `/groups/${name}/variants`, variants);
}
