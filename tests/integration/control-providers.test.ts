import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROVIDER_KINDS } from '#core/names.ts';
import type { SnapshotDocument } from '#core/snapshot/schema.ts';
import { snapshotsSince } from '#store/snapshots.ts';
import { type ApiClient, startTestControlPlane, type TestControlPlane } from '#tests/support/control-plane.ts';

/** What each kind of provider wants to be told, and what of it is shown again. */
let control: TestControlPlane;
let api: ApiClient;

beforeAll(async () => {
  control = await startTestControlPlane();
  api = await control.owner('acme');
});
afterAll(() => control.stop());

const CANARY = 'planted-canary';
const VERTEX = 'https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu/publishers/google';
const BEDROCK = 'https://bedrock-runtime.eu-west-1.amazonaws.com';
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const keyFile = { type: 'service_account', client_email: 'a@p.iam.gserviceaccount.com', private_key: pem };
const accessKey = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: CANARY };
const client = { tenantId: 'contoso.example', clientId: 'app-1', clientSecret: CANARY };
const documentation = (name: string) => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8');
const DEFINITION = JSON.parse(/```json\n([\s\S]*?)```/.exec(documentation('custom-providers.md'))![1]!) as object;

let made = 0;
const create = (provider: object) => api('POST', '/providers', { name: `p${++made}`, ...provider });
const snapshotOf = async (name: string) => {
  const found = await snapshotsSince(control.gateway, 0);
  const newest = found.find((snapshot) => snapshot.organizationId === api.organizationId)!;
  return (newest.document as SnapshotDocument).providers.find((provider) => provider.name === name);
};

test('docs/production.md has a line for each kind, and each of them works', async () => {
  const section = /## Providers[\s\S]*?```sh\n([\s\S]*?)```/.exec(documentation('production.md'))![1]!;
  const folder = mkdtempSync(join(tmpdir(), 'ringside-lines-'));
  writeFileSync(join(folder, 'service-account.json'), JSON.stringify(keyFile, null, 2));
  writeFileSync(join(folder, 'definition.json'), JSON.stringify(DEFINITION, null, 2));
  const curl = `curl -s -X "$1" "$CONTROL/api/v1$2" -d "$3" -w '\\n%{http_code}\\n'`;
  const admin = `admin() { ${curl} -H "Authorization: Bearer $ADMIN_TOKEN" -H 'Content-Type: application/json'; }`;
  const variables = [...section.matchAll(/\$([A-Z_]+)/g)].map((match) => match[1]!);
  const secrets = Object.fromEntries(variables.map((name) => [name, /_ID$/.test(name) ? 'an-id' : 'planted-key']));
  const env = { ...secrets, PATH: process.env['PATH'], CONTROL: control.url, ADMIN_TOKEN: api.token };
  const { stdout } = await promisify(execFile)('bash', ['-c', `${admin}\n${section}`], { env, cwd: folder });
  rmSync(folder, { recursive: true });
  const statuses = stdout.split('\n').filter((line) => /^\d{3}$/.test(line));
  expect(statuses, stdout).toEqual(Array(section.trim().split('\n').length).fill('201'));
  const kinds = [...stdout.matchAll(/"kind":"([^"]+)"/g)].map((match) => match[1]);
  expect(new Set(kinds)).toEqual(new Set(PROVIDER_KINDS));
  expect(stdout).not.toMatch(/planted|PRIVATE/);
});

describe('credentials', () => {
  test.each([
    ['bedrock', BEDROCK, accessKey, 'access key AKIA…MPLE'],
    ['google', VERTEX, keyFile, 'service account a@p.iam.gserviceaccount.com'],
    ['azure-openai', 'https://r.openai.azure.com', client, 'Entra client app-1'],
  ])('of %s may be a document, as an object or as its text', async (kind, baseUrl, document, apiKeyHint) => {
    for (const apiKey of [document, JSON.stringify(document, null, 2)]) {
      const answer = await create({ kind, baseUrl, apiKey });
      expect(answer).toMatchObject({ status: 201, body: { kind, baseUrl, apiKeyHint } });
      expect(JSON.stringify(answer.body)).not.toMatch(/planted|PRIVATE/);
    }
    expect(JSON.stringify((await api('GET', '/audit?limit=100')).body)).not.toMatch(/planted|PRIVATE/);
  });

  test.each([
    [{ kind: 'bedrock', baseUrl: BEDROCK, apiKey: { ...accessKey, accessKeyId: '' } }, 'apiKey: "accessKeyId" is no'],
    [{ kind: 'bedrock', baseUrl: 'https://a.example', apiKey: accessKey }, 'apiKey: must say "region"'],
    [{ kind: 'google', baseUrl: VERTEX, apiKey: { ...keyFile, private_key: CANARY } }, 'apiKey: "private_key" cannot'],
    [{ kind: 'google', baseUrl: VERTEX, apiKey: `{${CANARY}` }, 'apiKey: begins as JSON'],
    [{ kind: 'azure-openai', baseUrl: 'https://a.example', apiKey: { clientSecret: CANARY } }, 'apiKey: "tenantId" is'],
    [{ kind: 'openai', baseUrl: 'https://a.example', apiKey: { key: CANARY } }, 'apiKey: is a document'],
    [{ kind: 'openai', baseUrl: 'https://a.example', apiKey: `${CANARY} two words` }, 'apiKey: is printable'],
    [{ kind: 'openai', baseUrl: 'https://a.example', apiKey: CANARY.repeat(2_000) }, 'apiKey: is longer than 16384'],
    [{ kind: 'openai', baseUrl: 'https://a.example', apiKey: 7 }, 'apiKey: is neither a text nor an object'],
    [{ kind: 'google', baseUrl: 'https://generativelanguage.googleapis.com' }, 'baseUrl: must end in the version'],
    [{ kind: 'google', baseUrl: `${VERTEX}/models/gemini-3` }, 'baseUrl: must end in the version'],
    [{ kind: 'azure-openai', baseUrl: 'https://r.openai.azure.com/openai/deployments/d' }, 'baseUrl: must end before'],
    [{ kind: 'azure-openai', baseUrl: 'https://r.openai.azure.com?key=1' }, 'baseUrl: must have no query'],
    [{ kind: 'azure-openai', baseUrl: 'https://r.openai.azure.com?api-version=1#x' }, 'baseUrl: must have no query'],
    [{ kind: 'bedrock', baseUrl: 'https://bedrock.eu-west-1.amazonaws.com' }, 'baseUrl: is no endpoint of the Bedrock'],
  ])('and addresses that are of no use are refused: %#', async (provider, detail) => {
    const answer = await create(provider);
    expect(answer).toMatchObject({ status: 422, body: { field: detail.split(':')[0] } });
    expect(answer.body.detail).toContain(detail);
    expect(JSON.stringify(answer.body)).not.toMatch(/planted|PRIVATE/);
  });

  test('an address at Azure may say its version', async () => {
    const answer = await create({
      kind: 'azure-openai',
      baseUrl: 'https://R.openai.azure.com/openai/?api-version=2024-10-21',
    });
    expect(answer.body.baseUrl).toBe('https://r.openai.azure.com/openai?api-version=2024-10-21');
    expect((await snapshotOf(answer.body.name))!.baseUrl).toBe(answer.body.baseUrl);
  });

  test('a change must fit what is kept', async () => {
    const { body } = await create({ kind: 'google', baseUrl: VERTEX, apiKey: keyFile });
    const path = `/providers/${body.name}`;
    const moved = await api('PATCH', path, { baseUrl: 'https://eu-aiplatform.googleapis.com/v1beta' });
    expect(moved).toMatchObject({ status: 422, body: { field: 'apiKey' } });
    expect((await api('PATCH', path, { apiKey: { ...keyFile, type: 'user' } })).status).toBe(422);
    expect((await api('PATCH', path, { headers: { 'x-team': 'a' } })).body.apiKeyHint).toBe(body.apiKeyHint);
    const renewed = await api('PATCH', path, { apiKey: { ...keyFile, client_email: 'b@p.test' } });
    expect(renewed.body.apiKeyHint).toBe('service account b@p.test');
  });
});

describe('a custom provider', () => {
  const custom = { kind: 'custom', baseUrl: 'https://models.example' };

  test('has a definition, which is shown, changed as a whole, and published', async () => {
    const { status, body } = await create({ ...custom, definition: DEFINITION });
    expect(status).toBe(201);
    expect(body.definition).toMatchObject(DEFINITION);
    expect((await api('GET', `/providers/${body.name}`)).body).toEqual(body);
    expect((await snapshotOf(body.name))!.definition).toEqual(body.definition);
    const definition = { path: ['chat'], request: { messages: { $from: 'messages' } }, reply: { text: '/text' } };
    const changed = await api('PATCH', `/providers/${body.name}`, { definition });
    expect(changed.body).toMatchObject({ definition, version: 2 });
    expect(changed.body.definition).not.toHaveProperty('stream');
    expect((await snapshotOf(body.name))!.definition).toEqual(changed.body.definition);
    const renamed = await api('PATCH', `/providers/${body.name}`, { name: `${body.name}-b` });
    expect(renamed.body.definition).toEqual(changed.body.definition);
  });

  test('keeps a template of 32 levels as it is', async () => {
    const nested = JSON.parse(`${'['.repeat(30)}{"$from":"prompt"}${']'.repeat(30)}`) as unknown;
    const answer = await create({ ...custom, definition: { ...DEFINITION, request: { nested } } });
    expect(answer.body.definition.request).toEqual({ nested });
  });

  test.each([
    [{ ...custom }, 'definition'],
    [{ ...custom, definition: null }, 'definition'],
    [
      { ...custom, definition: { ...DEFINITION, request: { max: { $from: 'max' }, p: { $from: 'prompt' } } } },
      'definition.request.max',
    ],
    [{ ...custom, definition: { ...DEFINITION, path: ['..'] } }, 'definition.path[0]'],
    [{ ...custom, definition: { ...DEFINITION, more: 1 } }, 'definition.more'],
    [{ kind: 'openai', baseUrl: 'https://a.example', definition: DEFINITION }, 'definition'],
  ])('is refused when it is not sound: %#', async (provider, field) => {
    const { status, body } = await create(provider);
    expect([status, body.field]).toEqual([422, field]);
  });

  test('is one for ever, and others never', async () => {
    const one = (await create({ ...custom, definition: DEFINITION })).body.name;
    const other = (await create({ kind: 'openai', baseUrl: 'https://a.example' })).body;
    expect(other.definition).toBeNull();
    expect(await snapshotOf(other.name)).not.toHaveProperty('definition');
    expect((await api('PATCH', `/providers/${one}`, { kind: 'openai' })).body.field).toBe('kind');
    expect((await api('PATCH', `/providers/${one}`, { definition: null })).body.field).toBe('definition');
    const given = await api('PATCH', `/providers/${other.name}`, { definition: DEFINITION });
    expect(given).toMatchObject({ status: 422, body: { field: 'definition' } });
  });
});
