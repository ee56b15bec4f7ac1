import { join } from 'node:path';
import { z } from 'zod';
import { createOwner } from '#control-plane/access/bootstrap.ts';
import { createPool } from '#store/pool.ts';
import { type ControlClient, createControlClient } from './control-client.ts';
import { readIfThere, writePrivate } from './secrets.ts';

const credentialsSchema = z.object({
  adminToken: z.string(),
  apiKey: z.string(),
  gatewayUrl: z.string(),
  controlUrl: z.string(),
});
export type Credentials = z.infer<typeof credentialsSchema>;

export interface FirstStartOptions {
  readonly databaseUrl: string;
  readonly pepper: Uint8Array;
  readonly dataFolder: string;
  readonly gatewayUrl: string;
  readonly controlUrl: string;
  readonly simulatorUrl: string;
  readonly onProgress: (line: string) => void;
}

const ORGANIZATION = 'default';
const PROVIDER = 'simulator';
/** Any text: the simulator asks for no key. */
const SIMULATOR_KEY = 'sk-simulator';
const KEY_NAME = 'quick-start';
const DEMO = {
  group: 'demo',
  variants: [
    { model: 'sim-champion', role: 'champion', weightBp: 9_000 },
    { model: 'sim-challenger', role: 'challenger', weightBp: 1_000 },
  ],
} as const;

/**
 * Makes what a newcomer needs to send a first request, and writes `credentials.json`. Every step looks before it acts, so a
 * start that was killed half-way is completed by the next one, and a later start changes nothing that somebody has changed.
 */
export async function ensureFirstStart(options: FirstStartOptions): Promise<Credentials> {
  const path = join(options.dataFolder, 'credentials.json');
  const stored = await readIfThere(path);
  const { gatewayUrl, controlUrl } = options;
  if (stored !== undefined) {
    const known = credentialsSchema.parse(JSON.parse(stored));
    const client = createControlClient(controlUrl, known.adminToken);
    if (await client.isAuthorized()) {
      await followSimulator(client, options.simulatorUrl);
      const credentials = { ...known, gatewayUrl, controlUrl };
      await writePrivate(path, credentials);
      return credentials;
    }
    options.onProgress(`the token in ${path} is not valid in this database; making a new one`);
  }
  options.onProgress('creating an organization, an admin token, the group "demo" and an API key');
  const db = createPool({
    databaseUrl: options.databaseUrl,
    role: 'application',
    maxConnections: 1,
    applicationName: 'ringside up',
  });
  try {
    const owner = { organizationName: ORGANIZATION, tokenName: 'first-start', pepper: options.pepper };
    const { adminToken } = await createOwner(db, owner);
    const client = createControlClient(controlUrl, adminToken);
    await ensureDemo(client, options.simulatorUrl);
    const existing = await client.get<{ id: string }>(`/keys/${KEY_NAME}`);
    if (existing !== undefined) await client.send('DELETE', `/keys/${KEY_NAME}`); // its secret was never written down
    const { key } = await client.send<{ key: string }>('POST', '/keys', { name: KEY_NAME });
    const credentials = { adminToken, apiKey: key, gatewayUrl, controlUrl };
    await writePrivate(path, credentials);
    return credentials;
  } finally {
    await db.destroy();
  }
}

async function ensureDemo(client: ControlClient, simulatorUrl: string): Promise<void> {
  if ((await client.get(`/providers/${PROVIDER}`)) === undefined) {
    const provider = { name: PROVIDER, kind: 'openai', baseUrl: simulatorUrl, apiKey: SIMULATOR_KEY };
    await client.send('POST', '/providers', provider);
  } else await followSimulator(client, simulatorUrl);
  for (const { model } of DEMO.variants) {
    if ((await client.get(`/models/${model}`)) !== undefined) continue;
    await client.send('POST', '/models', { name: model, provider: PROVIDER, upstreamModel: model });
  }
  const group = await client.get<{ variants: unknown[] }>(`/groups/${DEMO.group}`);
  if (group === undefined) {
    await client.send('POST', '/groups', { name: DEMO.group, description: 'Champion and challenger on the simulator' });
  }
  if (group === undefined || group.variants.length === 0) {
    await client.send('PUT', `/groups/${DEMO.group}/variants`, DEMO.variants);
  }
}

/** The simulator's address may have been changed since; the provider that the first start made follows it. */
async function followSimulator(client: ControlClient, simulatorUrl: string): Promise<void> {
  const provider = await client.get<{ baseUrl: string }>(`/providers/${PROVIDER}`);
  if (
    provider === undefined ||
    provider.baseUrl === simulatorUrl ||
    !/^http:\/\/(127\.|\[::1\])/.test(provider.baseUrl)
  )
    return;
  await client.send('PATCH', `/providers/${PROVIDER}`, { baseUrl: simulatorUrl, apiKey: SIMULATOR_KEY });
}
