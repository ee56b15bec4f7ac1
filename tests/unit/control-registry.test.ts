import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { systemEntropy } from '#control-plane/entropy.ts';
import { normaliseBaseUrl } from '#control-plane/registry/base-url.ts';
import { changeCredentials, checkHeaders, hintOf } from '#control-plane/registry/credentials.ts';
import { mergePatch } from '#control-plane/registry/merge-patch.ts';
import { envelopeContext, type Keyring, open } from '#core/envelope.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';

describe('base URLs', () => {
  const none = parseAddressPolicy('');
  const loopback = parseAddressPolicy('127.0.0.0/8');

  test.each([
    ['https://api.openai.com/v1', 'https://api.openai.com/v1'],
    ['HTTPS://API.openai.com:443/v1//', 'https://api.openai.com/v1'],
    ['http://example.com', 'http://example.com'],
    ['https://example.com:8443/a/b/', 'https://example.com:8443/a/b'],
    ['http://8.8.8.8/v1', 'http://8.8.8.8/v1'],
  ])('%s is %s', (text, baseUrl) => {
    expect(normaliseBaseUrl(text, none)).toEqual({ baseUrl });
  });

  test.each([
    'http://127.0.0.1',
    'http://127.1',
    'http://0x7f000001',
    'http://2130706433',
    'http://[::1]',
    'http://[::ffff:127.0.0.1]',
    'http://[::ffff:7f00:1]',
    'http://localhost:1234',
    'http://LOCALHOST',
    'http://localhost.',
    'http://a.localhost',
    'http://0.0.0.0',
    'http://10.1.2.3',
    'http://192.168.0.1',
    'http://169.254.169.254',
    'http://[fd00::1]',
    'http://[64:ff9b::a00:1]',
  ])('%s is private', (text) => {
    expect(normaliseBaseUrl(text, none)).toMatchObject({ issue: { field: 'baseUrl', message: /private address/ } });
  });

  test('private ones are allowed as the operator lists them', () => {
    expect(normaliseBaseUrl('http://127.0.0.1:8000/v1', loopback)).toEqual({ baseUrl: 'http://127.0.0.1:8000/v1' });
    expect(normaliseBaseUrl('http://localhost:8000', loopback)).toEqual({ baseUrl: 'http://localhost:8000' });
    expect(normaliseBaseUrl('http://10.0.0.1', loopback)).toHaveProperty('issue');
    expect(normaliseBaseUrl('http://localhost', parseAddressPolicy('localhost'))).toHaveProperty('baseUrl');
  });

  test.each([
    '',
    'x',
    'example.com',
    'file:///etc/passwd',
    'https://',
    'https://a:b@example.com',
    'https://a@example.com',
    'https://example.com?',
    'https://example.com#',
  ])('%j is refused', (text) => {
    expect(normaliseBaseUrl(text, loopback)).toHaveProperty('issue');
  });

  test('normalising twice changes nothing', () => {
    fc.assert(
      fc.property(fc.webUrl(), (url) => {
        const once = normaliseBaseUrl(url, none);
        if ('baseUrl' in once) expect(normaliseBaseUrl(once.baseUrl, none)).toEqual(once);
      }),
    );
  });
});

describe('credentials', () => {
  const keyring: Keyring = [{ id: 'k', key: randomBytes(32) }];
  const deps = { keyring, entropy: systemEntropy };
  const at = { kind: 'openai', baseUrl: 'https://a.example' } as const;
  const place = { organizationId: 'o', providerId: 'p', ...at };
  const opened = (sealed: string | null) =>
    sealed === null ? null : JSON.parse(open(keyring, envelopeContext('o', 'providers', 'p'), sealed));

  test('change one by one', () => {
    const first = changeCredentials(deps, place, null, {
      apiKey: 'sk-0123456789abcdef',
      headers: { 'X-B': '2', 'x-a': '1' },
    });
    expect(opened(first.credentials)).toEqual({ apiKey: 'sk-0123456789abcdef', headers: { 'X-B': '2', 'x-a': '1' } });
    expect(first).toMatchObject({ credential_hint: 'sk-…cdef', header_names: ['x-a', 'x-b'] });
    const second = changeCredentials(deps, place, first.credentials, { apiKey: null });
    expect(opened(second.credentials)).toEqual({ headers: { 'X-B': '2', 'x-a': '1' } });
    expect(second.credential_hint).toBeNull();
    const third = changeCredentials(deps, place, second.credentials, { headers: null });
    expect(third).toEqual({ credentials: null, credential_hint: null, header_names: [] });
    expect(changeCredentials(deps, place, null, { headers: {} }).credentials).toBeNull();
  });

  test('an envelope whose key is lost can be replaced whole, and not in part', () => {
    const place = { organizationId: 'org', providerId: 'provider', ...at };
    const depsOf = (key: Buffer) => ({ keyring: [{ id: 'k1', key }] as Keyring, entropy: systemEntropy });
    const [lost, found] = [depsOf(randomBytes(32)), depsOf(randomBytes(32))];
    const { credentials } = changeCredentials(lost, place, null, { apiKey: 'sk-old-0123456789' });
    expect(() => changeCredentials(found, place, credentials, { apiKey: 'sk-new-0123456789' })).toThrow();
    const replaced = changeCredentials(found, place, credentials, { apiKey: 'sk-new-0123456789', headers: null });
    const context = envelopeContext('org', 'providers', 'provider');
    expect(JSON.parse(open(found.keyring, context, replaced.credentials!))).toEqual({ apiKey: 'sk-new-0123456789' });
  });

  test('hints never show a short key', () => {
    expect(hintOf('short')).toBe('…');
    expect(hintOf('fifteen-chars--')).toBe('…');
    expect(hintOf('sk-proj-0123456789')).toBe('sk-…6789');
  });

  test('messages on headers never hold a value', () => {
    expect(JSON.stringify(checkHeaders({ 'x-a': 'secret\nvalue', host: 'secret' }))).not.toContain('secret');
    expect(checkHeaders({ 'x-a': 'fine', 'api-key': 'fine' })).toEqual([]);
    expect(checkHeaders(Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`x-${i}`, ''])))).toHaveLength(1);
  });
});

describe('merge patch', () => {
  // RFC 7396, appendix A, as far as targets and patches are objects.
  test.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j with %j is %j', (target, patch, merged) => {
    expect(mergePatch(target, patch)).toEqual(merged);
  });

  test('applied twice it changes nothing more', () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }));
    fc.assert(
      fc.property(object, object, (target, patch) => {
        const once = mergePatch(target, patch);
        expect(mergePatch(once, patch)).toEqual(once);
      }),
    );
  });
});
