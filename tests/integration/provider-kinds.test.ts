import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createPlainServer, type Server } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack, waitForInferences } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** Providers that need more than a key, from the control API to the record, through real processes. */
const SECRET = 'planted-client-secret';
const DOCUMENTATION = readFileSync(join(import.meta.dirname, '../../docs/custom-providers.md'), 'utf8');
const [DEFINITION, SENT, ANSWERED, STREAMED] = [...DOCUMENTATION.matchAll(/```json\n([\s\S]*?)```/g)].map(
  (match) => match[1]!,
);

let stack: Stack;
let folder: string;
let tokenServer: Server;
let ownServer: Server;
let forms: string[] = [];
const asked: { url: string | undefined; authorization: string | undefined; body: unknown }[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ringside-kinds-'));
  const [keyFile, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=tokens', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', [...request, ...names, '-keyout', keyFile, '-out', certificate], { stdio: 'ignore' });
  tokenServer = createServer(
    { key: readFileSync(keyFile), cert: readFileSync(certificate) },
    async (incoming, outgoing) => {
      forms.push(`${incoming.url}?${await textOf(incoming)}`);
      outgoing.end(JSON.stringify({ access_token: `planted-token-${forms.length}`, expires_in: 3_600 }));
    },
  ) as unknown as Server;
  ownServer = createPlainServer(async (incoming, outgoing) => {
    const body = JSON.parse(await textOf(incoming)) as { live: boolean };
    asked.push({ url: incoming.url, authorization: incoming.headers.authorization, body });
    outgoing.setHeader('content-type', body.live ? 'application/x-ndjson' : 'application/json');
    outgoing.end(body.live ? STREAMED : ANSWERED);
  });
  await Promise.all(
    [tokenServer, ownServer].map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done))),
  );
  stack = await startStack({ workers: 1, env: { NODE_EXTRA_CA_CERTS: certificate } });
});
afterAll(async () => {
  await stack.stop();
  for (const server of [tokenServer, ownServer]) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true });
});

async function textOf(readable: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of readable) text += chunk.toString();
  return text;
}
const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** A provider, and a group of its name that is served by it alone; returns a key. */
async function serveBy(provider: { readonly name: string } & Record<string, unknown>): Promise<string> {
  const { name } = provider;
  const steps: [string, string, unknown][] = [
    ['POST', '/providers', provider],
    ['POST', '/models', { name, provider: name, upstreamModel: 'llama-3' }],
    ['POST', '/groups', { name }],
    ['PUT', `/groups/${name}/variants`, [{ model: name, role: 'champion', weightBp: 10_000 }]],
  ];
  for (const [method, path, body] of steps)
    expect(await stack.api(method, path, body)).toMatchObject({
      status: expect.any(Number),
      body: { id: expect.anything() },
    });
  return (await stack.api<{ key: string }>('POST', '/keys', { name })).body.key;
}

test('a custom provider is asked and read as its definition says', async () => {
  const baseUrl = `http://127.0.0.1:${portOf(ownServer)}`;
  const key = await serveBy({
    name: 'own',
    kind: 'custom',
    baseUrl,
    apiKey: 'planted-key',
    definition: JSON.parse(DEFINITION!),
  });
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Who are you?' },
  ];
  const plain = await stack.chat(key, { model: 'own', messages, temperature: 0 });
  expect(await plain.json()).toMatchObject({
    choices: [{ message: { content: 'A model.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 9, completion_tokens: 3 },
  });
  expect(asked).toEqual([
    { url: '/v1/llama-3/complete', authorization: 'Bearer planted-key', body: JSON.parse(SENT!) },
  ]);
  const stream = await stack.chat(key, { model: 'own', messages, stream: true });
  expect(await stream.text()).toMatch(/"A "[\s\S]*"model\."[\s\S]*\[DONE\]/);
  const definition = {
    path: ['other'],
    request: { p: { $from: 'prompt' }, live: { $from: 'stream' } },
    reply: { text: '/results/0/text' },
  };
  expect((await stack.api('PATCH', '/providers/own', { definition })).headers.get('x-ringside-served')).toBe('1/1');
  await (await stack.chat(key, { model: 'own' })).text();
  expect(asked.at(-1)).toMatchObject({ url: '/other', body: { p: 'Hello', live: false } });
  expect(await waitForInferences(stack, 'own', 3)).toHaveLength(3);
});

test("calls to Azure carry tokens of an Entra client's, which show nowhere", async () => {
  const client = {
    tenantId: 'contoso',
    clientId: 'app-1',
    clientSecret: SECRET,
    authorityHost: `127.0.0.1:${portOf(tokenServer)}`,
  };
  const key = await serveBy({ name: 'azure', kind: 'azure-openai', baseUrl: stack.simulatorUrl, apiKey: client });
  const answers = await Promise.all([1, 2, 3].map(() => stack.chat(key, { model: 'azure' })));
  const texts = await Promise.all(answers.map((answer) => answer.text()));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(forms).toEqual([
    expect.stringMatching(/^\/contoso\/oauth2\/v2\.0\/token\?grant_type=client_credentials&client_id=app-1&/),
  ]);
  const journal = await (await fetch(`${stack.simulatorUrl}/_sim/requests?model=llama-3`)).text();
  expect(journal.match(/Bearer planted-token-1/g)).toHaveLength(3);
  forms = [];
  const refused = await stack.api('PATCH', '/providers/azure', { apiKey: { ...client, tenantId: '' } });
  expect(refused).toMatchObject({ status: 422, body: { field: 'apiKey' } });
  // The token server is away: with other credentials, a token is needed again.
  tokenServer.closeAllConnections();
  await new Promise((done) => tokenServer.close(done));
  await stack.api('PATCH', '/providers/azure', { apiKey: { ...client, clientId: 'app-2' } });
  const failed = await stack.chat(key, { model: 'azure' });
  const said = await failed.text();
  expect(failed.status).toBe(502);
  expect(said).toContain('The token server of the provider \\"azure\\" refused the connection.');
  const rows = await waitForInferences(stack, 'azure', 4);
  const details = await Promise.all(rows.map(({ id }) => stack.api('GET', `/inferences/${String(id)}`)));
  const everything = JSON.stringify([texts, said, refused, rows, details, await stack.metrics(), stack.log()]);
  expect(everything).toContain('no access token for the provider \\"azure\\"');
  expect(everything).not.toMatch(/planted-client-secret|planted-token/);
});

test('a provider that cannot be called as it is configured is its own matter', async () => {
  const broken = await serveBy({
    name: 'broken',
    kind: 'openai',
    baseUrl: `${stack.simulatorUrl}/v1`,
    apiKey: 'planted-key',
  });
  const steady = await stack.createGroup('steady', { a: 10_000 });
  const sql = new pg.Client({ connectionString: stack.databaseUrl });
  await sql.connect();
  // As a release before could have saved it: there is no definition.
  await sql.query(`UPDATE ringside.providers SET kind = 'custom' WHERE name = 'broken'`);
  await sql.end();
  const changed = await stack.api('PATCH', '/groups/steady', { description: 'published anew' });
  expect(changed.headers.get('x-ringside-served')).toBe('1/1');
  const failed = await stack.chat(broken, { model: 'broken' });
  expect([failed.status, await failed.json()]).toMatchObject([
    ...[
      502,
      { error: { code: 'upstream_error', message: expect.stringContaining('The provider "broken" cannot be called') } },
    ],
  ]);
  expect((await stack.chat(steady, { model: 'steady' })).status).toBe(200);
  await waitFor('the reason in the log', () =>
    /snapshot \d+: the provider "broken" cannot be called: the definition of provider "broken" is not valid/.test(
      stack.log(),
    ),
  );
  expect(await waitForInferences(stack, 'broken', 1)).toMatchObject([{ status: 502 }]);
  expect(stack.log()).not.toContain('planted');
});
