import { randomBytes } from 'node:crypto';
import { createOwner } from '#control-plane/access/bootstrap.ts';
import { type ControlPlaneSettings, startControlPlane } from '#control-plane/main.ts';
import type { Keyring } from '#core/envelope.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { createPool } from '#store/pool.ts';
import { createTestDatabase } from './database.ts';

/** A JSON answer; `body` is typed loosely because tests look into every shape. */
interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into every shape of answer
  readonly body: any;
}

export interface ApiClient {
  (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer>;
  readonly token: string;
  readonly organizationId: string;
}

/** Calls the API below `/api/v1` with a token; a string body is sent as it stands. */
export function createApiClient(url: string, token: string, organizationId: string): ApiClient {
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
  };
  return Object.assign(call, { token, organizationId });
}

/** A control plane on a database of its own, with one organization and its owner. */
export async function startTestControlPlane(settings: Partial<ControlPlaneSettings> = {}) {
  const database = await createTestDatabase();
  const keyring: Keyring = [{ id: 'test', key: randomBytes(32) }];
  const pepper = randomBytes(32);
  const logged: string[] = [];
  const control = await startControlPlane({
    databaseUrl: database.url,
    host: '127.0.0.1',
    port: 0,
    keyring,
    pepper,
    privateUpstreams: parseAddressPolicy('127.0.0.0/8'),
    servedWaitMs: 200,
    log: (line) => logged.push(line),
    ...settings,
  });
  const url = `http://127.0.0.1:${control.port}`;
  const admin = createPool({ databaseUrl: database.url, role: 'login', maxConnections: 2, applicationName: 'test' });
  const gateway = createPool({
    databaseUrl: database.url,
    role: 'gateway',
    maxConnections: 2,
    applicationName: 'test',
  });
  const application = createPool({
    databaseUrl: database.url,
    role: 'application',
    maxConnections: 2,
    applicationName: 'test',
  });
  const owner = async (organizationName: string) => {
    const made = await createOwner(application, { organizationName, tokenName: 'first-owner', pepper });
    return createApiClient(url, made.adminToken, made.organizationId);
  };
  return {
    url,
    databaseUrl: database.url,
    keyring,
    pepper,
    logged,
    /** A pool as the login role, which sees every row. */
    admin,
    gateway,
    application,
    /** Makes an organization, or another owner of it. */
    owner,
    async stop() {
      await control.stop();
      for (const pool of [admin, gateway, application]) await pool.destroy();
      await database.drop();
    },
  };
}

export type TestControlPlane = Awaited<ReturnType<typeof startTestControlPlane>>;

/** Makes provider `p`, models `a` and `b`, and a group with `a` 90 % and `b` 10 %. */
export async function seedGroup(api: ApiClient, group = 'demo'): Promise<void> {
  await expectStatus(201, api('POST', '/providers', { name: 'p', kind: 'openai', baseUrl: 'http://127.0.0.1:9/v1' }));
  for (const name of ['a', 'b']) {
    await expectStatus(201, api('POST', '/models', { name, provider: 'p', upstreamModel: `up-${name}` }));
  }
  await expectStatus(201, api('POST', '/groups', { name: group }));
  const variants = [
    { model: 'a', role: 'champion', weightBp: 9000 },
    { model: 'b', role: 'challenger', weightBp: 1000 },
  ];
  await expectStatus(200, api('PUT', `/groups/${group}/variants`, variants));
}

async function expectStatus(status: number, answer: Promise<ApiAnswer>): Promise<void> {
  const got = await answer;
  if (got.status !== status) throw new Error(`expected ${status}, got ${got.status}: ${JSON.stringify(got.body)}`);
}
