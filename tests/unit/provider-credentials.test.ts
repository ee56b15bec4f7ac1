// Key files and token exchanges as the documentation of Google ("Using OAuth 2.0 for Server to Server Applications"), Microsoft (identity
// platform, client credentials) and AWS has them, read 2026-11.
import { generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { PROVIDER_KINDS } from '#core/names.ts';
import { parseAzureKey } from '#core/provider-credentials/azure-openai.ts';
import { checkApiKey } from '#core/provider-credentials/check.ts';
import { parseGoogleKey } from '#core/provider-credentials/google.ts';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { tokenRequestBody as entraBody, tokenUrl } from '#gateway/providers/azure-openai/entra-client.ts';
import { bind as bindAzure } from '#gateway/providers/azure-openai/request.ts';
import { bind as bindGoogle } from '#gateway/providers/google/request.ts';
import { tokenRequestBody as googleBody } from '#gateway/providers/google/service-account.ts';

const CANARY = 'planted-canary';
const VERTEX = 'https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu/publishers/google';
const GEMINI = 'https://generativelanguage.googleapis.com/v1beta';
const AZURE = 'https://r.openai.azure.com';
const BEDROCK = 'https://bedrock-runtime.eu-west-1.amazonaws.com';
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
const file = {
  ...{ type: 'service_account', project_id: 'p', private_key_id: 'k1', private_key: pem },
  ...{ client_email: 'a@p.iam.gserviceaccount.com', token_uri: 'https://oauth2.googleapis.com/token' },
};
const client = { tenantId: 'contoso.example', clientId: 'app-1', clientSecret: `${CANARY}/+&=` };
const accessKey = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: CANARY };
const text = (document: object) => JSON.stringify(document, null, 2);

describe('a key', () => {
  test.each(PROVIDER_KINDS)('of %s may be plain', (kind) => {
    expect(checkApiKey(kind, VERTEX, 'sk-0123')).toEqual({ kind: 'ok', hint: null });
    for (const wrong of ['', 'with space', 'line\nbreak', 'ümlaut', 'x'.repeat(8_193)]) {
      expect(checkApiKey(kind, VERTEX, wrong).kind).toBe('invalid');
    }
  });

  test.each([
    ['bedrock', BEDROCK, accessKey, 'access key AKIA…MPLE'],
    [
      'bedrock',
      'http://127.0.0.1:9',
      { ...accessKey, sessionToken: 't', region: 'us-gov-west-1' },
      'access key AKIA…MPLE',
    ],
    ['google', VERTEX, file, 'service account a@p.iam.gserviceaccount.com'],
    ['azure-openai', AZURE, client, 'Entra client app-1'],
    [
      'azure-openai',
      AZURE,
      { ...client, authorityHost: 'login.microsoftonline.us:443', scope: 's' },
      'Entra client app-1',
    ],
  ] as const)('of %s at %s may be a document, and its hint holds no secret', (kind, baseUrl, document, hint) => {
    expect(checkApiKey(kind, baseUrl, text(document))).toEqual({ kind: 'ok', hint });
  });

  test.each([
    ['bedrock', BEDROCK, `{"secretAccessKey":"${CANARY}"`, 'begins as JSON and is none'],
    ['bedrock', BEDROCK, text({ secretAccessKey: CANARY }), '"accessKeyId" is missing'],
    ['bedrock', BEDROCK, text({ ...accessKey, [CANARY]: 1 }), 'holds a field that is not known'],
    ['bedrock', BEDROCK, text({ ...accessKey, region: CANARY }), '"region" is no region such as "eu-west-1"'],
    [
      'bedrock',
      BEDROCK,
      text({ ...accessKey, secretAccessKey: `${CANARY}\r\nx` }),
      '"secretAccessKey" is no printable ASCII without spaces',
    ],
    ['bedrock', 'https://proxy.example', text(accessKey), 'must say "region", as the base URL names none'],
    [
      'google',
      GEMINI,
      text(file),
      'is a service account, which serves Vertex AI only: the base URL ends in "/publishers/google" there',
    ],
    ['google', VERTEX, text({ ...file, type: CANARY }), '"type" must be "service_account"'],
    ['google', VERTEX, text({ ...file, private_key: CANARY }), '"private_key" cannot be read'],
    ['google', VERTEX, text({ ...file, private_key: ec }), '"private_key" is no RSA key'],
    ['google', VERTEX, text({ ...file, client_email: `${CANARY} ` }), '"client_email" is no address'],
    [
      'google',
      VERTEX,
      text({ ...file, token_uri: `https://${CANARY}.example/` }),
      '"token_uri" must be https://oauth2.googleapis.com/token',
    ],
    ['azure-openai', AZURE, text({ ...client, tenantId: '../x' }), '"tenantId" is no tenant'],
    ['azure-openai', AZURE, text({ ...client, authorityHost: 'a/b' }), '"authorityHost" is no host'],
    ['azure-openai', AZURE, text({ ...client, authorityHost: 'a:99999' }), '"authorityHost" is no host'],
    ['azure-openai', AZURE, text({ tenantId: 't', clientId: 'c' }), '"clientSecret" is missing'],
    ['openai', 'https://a.example', text(client), 'is a document, and the kind "openai" has keys that are a text only'],
    [
      'anthropic',
      'https://a.example',
      JSON.stringify(accessKey),
      'is a document, and the kind "anthropic" has keys that are a text only',
    ],
    ['google', VERTEX, `{${' '.repeat(20_000)}`, 'is longer than 16384 characters'],
  ] as const)('of %s at %s that is of no use: %#', (kind, baseUrl, apiKey, message) => {
    const checked = checkApiKey(kind, baseUrl, apiKey);
    expect(checked).toEqual({ kind: 'invalid', message });
    expect(JSON.stringify(checked)).not.toContain(CANARY);
  });
});

const DEFAULTS = { connectMs: 1_000, firstByteMs: 2_000, idleMs: 3_000 };
const deployment = (kind: string, baseUrl: string, timeouts: object = {}) =>
  ({
    provider: { id: 'id-1', kind, name: 'p', baseUrl, timeouts, credentials: 'sealed' },
    ...{ upstreamModel: 'm', maxOutputTokens: 9 },
  }) as unknown as CompiledDeployment;

describe('a service account', () => {
  const target = bindGoogle(deployment('google', VERTEX), { apiKey: text(file) }, DEFAULTS);

  test('signs an assertion that its public key confirms', () => {
    const parsed = parseGoogleKey(text(file), VERTEX);
    if (parsed.kind !== 'ok' || parsed.credentials.kind !== 'service-account') return expect.fail('no service account');
    const form = new URLSearchParams(googleBody(parsed.credentials.account, 1_000_999));
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
    const [header, claims, signature] = form.get('assertion')!.split('.');
    const decode = (part: string | undefined) => JSON.parse(Buffer.from(part ?? '', 'base64url').toString());
    expect(decode(header)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'k1' });
    expect(decode(claims)).toEqual({
      ...{ iss: file.client_email, scope: 'https://www.googleapis.com/auth/cloud-platform', aud: file.token_uri },
      ...{ iat: 1_000, exp: 4_600 },
    });
    const signed = Buffer.from(`${header}.${claims}`);
    expect(verify('RSA-SHA256', signed, publicKey, Buffer.from(signature ?? '', 'base64url'))).toBe(true);
  });

  test('gets its tokens from Google, and is no header', () => {
    if (target.access?.kind !== 'token') return expect.fail('it needs no token');
    const { grant } = target.access;
    expect(grant).toMatchObject({
      ...{ providerId: 'id-1', providerName: 'p', credentials: 'sealed', firstByteTimeoutMs: 2_000, deadlineMs: 3_000 },
      endpoint: { origin: 'https://oauth2.googleapis.com', connectTimeoutMs: 1_000 },
    });
    expect(grant.head.toString()).toMatch(/^POST \/token HTTP\/1.1\r\nhost: oauth2.googleapis.com\r\n/);
    expect(target.heads['generateContent']!.toString()).not.toMatch(/PRIVATE|authorization|x-goog-api-key/);
    expect(target.secrets).toContain(pem);
  });
});

describe("a client of Entra's", () => {
  test('asks for a token in its tenant', () => {
    const parsed = parseAzureKey(text(client));
    if (parsed.kind !== 'ok' || parsed.credentials.kind !== 'entra-client') return expect.fail('no client');
    expect(tokenUrl(parsed.credentials.client)).toBe(
      'https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token',
    );
    expect(entraBody(parsed.credentials.client)).toBe(
      'grant_type=client_credentials&client_id=app-1&client_secret=planted-canary%2F%2B%26%3D' +
        '&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default',
    );
  });

  test('is no header, and its provider’s deadlines hold for its tokens', () => {
    const own = deployment('azure-openai', AZURE, { connectMs: 10, firstByteMs: 20 });
    const target = bindAzure(own, { apiKey: text({ ...client, authorityHost: 'localhost:8443' }) }, DEFAULTS);
    if (target.access?.kind !== 'token') return expect.fail('it needs no token');
    expect(target.access.grant).toMatchObject({ endpoint: { origin: 'https://localhost:8443' }, deadlineMs: 30 });
    expect(target.heads['chat']!.toString()).not.toMatch(/planted|authorization|api-key/);
    expect(target.secrets).toContain(client.clientSecret);
  });
});

test.each([
  ['google', bindGoogle, 'its apiKey "type" must be'],
  ['azure-openai', bindAzure, 'its apiKey "tenantId" is missing'],
] as const)('a target of %s is not bound with a key of no use', (kind, bind, message) => {
  expect(() => bind(deployment(kind, VERTEX), { apiKey: `{"type":"${CANARY}"}` }, DEFAULTS)).toThrow(message);
});
