import { afterAll, expect, test } from 'vitest';
import { createSchemaChecker } from '#control-plane/shadow/schema-checker.ts';

const checker = createSchemaChecker({ questionMs: 1_000, batchMs: 3_000 });
afterAll(() => checker.close());
const check = async (schema: object | null, text: string) =>
  (await checker.check([{ schema: schema as Record<string, unknown> | null, text }]))[0];

test('answers that have their form, and that do not', async () => {
  const schema = { type: 'object', properties: { a: { enum: [1, 2] } }, required: ['a'] };
  expect(await check(schema, ' {"a": 2}\n')).toBe(true);
  expect(await check(schema, '{"a": 3}')).toBe(false);
  expect(await check(schema, '{"a": 2')).toBe(false);
  expect(await check(schema, '```json\n{"a":2}\n```')).toBe(false);
  expect(await check(null, '[1]')).toBe(true);
  expect(await check(null, 'yes')).toBe(false);
});

test('a schema is read as the draft that it names', async () => {
  const exclusive = { type: 'number', minimum: 1, exclusiveMinimum: true };
  expect(await check({ ...exclusive, $schema: 'http://json-schema.org/draft-04/schema#' }, '1')).toBe(false);
  expect(await check({ type: 'array', prefixItems: [{ type: 'string' }] }, '[1]')).toBe(false);
});

test('what takes for ever is given up, and the next question is answered', async () => {
  const bomb = { type: 'string', pattern: '^(a+)+$' };
  const began = performance.now();
  const answers = await checker.check([
    { schema: bomb, text: JSON.stringify(`${'a'.repeat(100)}!`) },
    { schema: { type: 'string' }, text: '"b"' },
  ]);
  expect(answers).toEqual([null, true]);
  expect(performance.now() - began).toBeLessThan(15_000);
});

test('a batch of what takes for ever ends, with nothing said of the rest', async () => {
  const bomb = { type: 'string', pattern: '^(a+)+$' };
  const questions = Array.from({ length: 20 }, () => ({ schema: bomb, text: JSON.stringify(`${'a'.repeat(100)}!`) }));
  expect(await checker.check(questions)).toEqual(questions.map(() => null));
});

test('a schema that refers to itself, to nowhere, or is nested without end', async () => {
  expect(await check({ $ref: '#' }, '1')).toBeNull();
  expect(await check({ $ref: 'https://example.com/none.json' }, '1')).toBeNull();
  const tree = { type: 'array', items: { $ref: '#' } };
  expect(await check(tree, '[[],[[]]]')).toBe(true);
  expect([null, true]).toContain(await check(tree, '['.repeat(100_000) + ']'.repeat(100_000)));
  let nested: Record<string, unknown> = { type: 'string' };
  for (let depth = 0; depth < 500; depth++) nested = { not: nested };
  expect([null, true, false]).toContain(await check(nested, '1'));
});

test('what is too large is not looked at', async () => {
  expect(await check({ enum: ['x'.repeat(70_000)] }, '1')).toBeNull();
  expect(await check({}, `"${'x'.repeat(1_100_000)}"`)).toBeNull();
});

test('two batches at once keep their answers apart', async () => {
  const batch = (type: string) => checker.check(Array.from({ length: 20 }, () => ({ schema: { type }, text: '1' })));
  const [numbers, strings] = await Promise.all([batch('number'), batch('string')]);
  expect(numbers.every((valid) => valid === true)).toBe(true);
  expect(strings.every((valid) => valid === false)).toBe(true);
});
