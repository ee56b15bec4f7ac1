import { expect, test } from 'vitest';
import { parseMetadata } from '#core/metadata.ts';
import { readMetadata } from '#gateway/flow/metadata.ts';

const HEADER = 'x-ringside-metadata';

test('strings, numbers and booleans', () => {
  const metadata = { team: 'växjö', retries: 0, score: -1.5, beta: false, '': 1 };
  expect(parseMetadata(JSON.stringify({ ...metadata, '': undefined }))).toEqual({
    kind: 'ok',
    metadata: { team: 'växjö', retries: 0, score: -1.5, beta: false },
  });
});

test.each([
  ['no JSON', '{', 'a JSON object'],
  ['a list', '[1]', 'a JSON object'],
  ['null', 'null', 'a JSON object'],
  ['null inside', '{"a":null}', 'at "a"'],
  ['an object inside', '{"a":{}}', 'at "a"'],
  ['a number without end', '{"a":1e999}', 'at "a"'],
  ['NUL', '{"a":"\\u0000"}', 'at "a"'],
  ['half a surrogate pair', '{"a":"\\ud800"}', 'at "a"'],
  ['NUL in a key', '{"a\\u0000":1}', 'in a key'],
  ['an empty key', '{"":1}', 'keys of 1'],
  ['a long key', `{"${'k'.repeat(129)}":1}`, 'keys of 1'],
  ['33 keys', JSON.stringify(Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, i]))), '32 keys'],
  ['more than 4 KB', JSON.stringify({ a: 'x'.repeat(4_090) }), '4096 bytes'],
  ['more than 4 KB in UTF-8', JSON.stringify({ a: 'é'.repeat(2_050) }), '4096 bytes'],
])('%s is refused', (_, json, reason) => {
  expect(parseMetadata(json)).toMatchObject({ kind: 'bad', reason: expect.stringContaining(reason) });
  expect(() => readMetadata({ [HEADER]: json }, null)).toThrow(
    expect.objectContaining({ code: 'bad_request', param: HEADER }),
  );
});

test('the header comes as Latin-1 and wins over the body', () => {
  const header = Buffer.from('{"team":"växjö","a":1}').toString('latin1');
  expect(readMetadata({ [HEADER]: header }, { a: 2, b: 'c' })).toEqual({ team: 'växjö', a: 1, b: 'c' });
  expect(readMetadata({}, { a: 2 })).toEqual({ a: 2 });
  expect(readMetadata({}, null)).toBeNull();
});
