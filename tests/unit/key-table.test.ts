import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { digestSecret } from '#core/credentials.ts';
import { createAuthenticator } from '#gateway/flow/authenticate.ts';
import { createKeyTable, type KeyChange, type KeyTableReader, readKeyTable } from '#gateway/snapshot/key-table.ts';

const digestOf = (text: string) => createHash('sha256').update(text).digest();
const change = (name: string, extra: Partial<KeyChange> = {}): KeyChange => ({
  id: name,
  organizationId: 'org',
  groupIds: null,
  defaultUnit: null,
  expiresAt: null,
  digest: digestOf(name),
  deleted: false,
  ...extra,
});

describe('key table', () => {
  test('finds what was added, with its record, and nothing else; 50 000 keys', () => {
    const keys = Array.from({ length: 50_000 }, (_, i) => change(`key-${i}`, { defaultUnit: `unit-${i}` }));
    const reader = readKeyTable(createKeyTable(keys).buffers);
    for (let i = 0; i < 50_000; i += 97)
      expect(reader.find(digestOf(`key-${i}`))!.record).toMatchObject({ id: `key-${i}`, defaultUnit: `unit-${i}` });
    for (let i = 0; i < 1000; i++) expect(reader.find(digestOf(`other-${i}`))).toBeUndefined();
  });

  test('a revoked key is gone at once for a reader that holds it, a changed one is read anew', () => {
    const table = createKeyTable([]);
    const reader = readKeyTable(table.buffers);
    table.apply(change('a'));
    const hit = reader.find(digestOf('a'))!;
    expect(reader.stillHolds(hit)).toBe(true);
    table.apply(change('a', { groupIds: ['g'] }));
    expect(reader.stillHolds(hit)).toBe(false);
    const again = reader.find(digestOf('a'))!;
    expect(again.record.groupIds).toEqual(['g']);
    table.apply(change('a', { deleted: true }));
    expect(reader.stillHolds(again)).toBe(false);
    expect(reader.find(digestOf('a'))).toBeUndefined();
    table.apply(change('a'));
    expect(reader.find(digestOf('a'))!.record.groupIds).toBeNull();
  });

  test('holds keys of a thousand groups each, and takes as much again', () => {
    const groupIds = Array.from({ length: 1_000 }, (_, i) => `${i}`.padStart(36, '0'));
    const keys = Array.from({ length: 20 }, (_, i) => change(`wide-${i}`, { groupIds }));
    const table = createKeyTable(keys);
    expect(keys.every((key) => readKeyTable(table.buffers).find(key.digest)!.record.groupIds!.length === 1_000)).toBe(
      true,
    );
    expect(keys.every((key) => table.apply({ ...key, groupIds: groupIds.slice(1) }))).toBe(true);
  });

  test('says when it is full instead of losing a key', () => {
    const table = createKeyTable([]);
    let added = 0;
    while (table.apply(change(`key-${added}`))) added++;
    expect(added).toBeGreaterThan(60);
    const reader = readKeyTable(table.buffers);
    for (let i = 0; i < added; i++) expect(reader.find(digestOf(`key-${i}`))!.record.id).toBe(`key-${i}`);
  });
});

describe('authenticate', () => {
  const pepper = Buffer.from('pepper');
  const now = { ms: 1_000 };
  const table = createKeyTable([]);
  const reader = readKeyTable(table.buffers);
  const authenticator = createAuthenticator(
    () => reader,
    pepper,
    () => now.ms,
  );
  const codeOf = (authorization: string | undefined) => {
    try {
      return authenticator.authenticate(authorization).id;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  test('an unknown key is wrong while the table is current, and only unknown while it is not', () => {
    expect(codeOf('Bearer rsk_x')).toBe('config_unavailable');
    table.setCurrent(true);
    expect(codeOf('Bearer rsk_x')).toBe('unauthorized');
    for (const bad of [undefined, '', 'rsk_x', 'Basic rsk_x', 'Bearer', 'Bearer a b'])
      expect(codeOf(bad)).toBe('unauthorized');
  });

  test('a known key works also when the table is stale, until it expires or is revoked', () => {
    table.setCurrent(false);
    table.apply(change('k', { digest: digestSecret(pepper, 'rsk_good'), expiresAt: 2_000 }));
    expect(codeOf('Bearer rsk_good')).toBe('k');
    expect(codeOf('bearer  rsk_good')).toBe('k');
    now.ms = 2_000;
    expect(codeOf('Bearer rsk_good')).toBe('unauthorized');
    now.ms = 1_000;
    table.apply(change('k', { digest: digestSecret(pepper, 'rsk_good'), deleted: true }));
    expect(codeOf('Bearer rsk_good')).toBe('config_unavailable');
  });

  test('one spelling of the header is remembered, and only while its table is the one in use', () => {
    const finds: string[] = [];
    const countedTable = (name: string): KeyTableReader => {
      const keys = createKeyTable(
        ['k', 'other'].map((id) => change(id, { digest: digestSecret(pepper, `rsk_${id}`) })),
      );
      const inner = readKeyTable(keys.buffers);
      const find = (digest: Uint8Array) => {
        finds.push(name);
        return inner.find(digest);
      };
      return { ...inner, find };
    };
    const [first, second] = [countedTable('first'), countedTable('second')];
    let current = first;
    const seen = createAuthenticator(
      () => current,
      pepper,
      () => 0,
    );
    const findsOf = (authorization: string) => {
      finds.length = 0;
      for (let i = 0; i < 3; i++) seen.authenticate(authorization);
      return finds;
    };
    expect(findsOf('Bearer rsk_k')).toEqual(['first']);
    expect(findsOf('Bearer rsk_k')).toEqual([]);
    for (const spelling of ['bearer rsk_k', 'Bearer  rsk_k', `Bearer${' '.repeat(6_000)}rsk_k`])
      expect(findsOf(spelling)).toEqual(['first', 'first', 'first']);
    current = second;
    expect(findsOf('Bearer rsk_other')).toEqual(['second']);
    current = first;
    expect(findsOf('Bearer rsk_k')).toEqual(['first']);
  });
});
