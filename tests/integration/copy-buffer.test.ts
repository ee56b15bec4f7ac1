import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { InferenceRow } from '#inference-log/record.ts';
import type { Column, ColumnType } from '#inference-log/sinks/columns.ts';
import { createCopyBuffer } from '#inference-log/sinks/copy-buffer.ts';
import { copyIn } from '#inference-log/sinks/copy-in.ts';
import { RefusedBatchError } from '#inference-log/spool.ts';
import { createTestDatabase } from '#tests/support/database.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';

type Value = string | number | boolean | Uint8Array | null;

const TYPES: readonly ColumnType[] = [
  ...(['uuid', 'timestamptz', 'smallint', 'integer', 'bigint', 'text', 'boolean', 'jsonb', 'bytea'] as const),
];
const HIGHEST_SAFE_MS = Math.floor(Number.MAX_SAFE_INTEGER / 1_000);
/** Any JavaScript string: NUL, lone surrogates and long ones included. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 }).map((codes) => String.fromCharCode(...codes)),
  fc.constantFrom('', '\0', '\ud800', 'a'.repeat(40), 'a'.repeat(41), '\udc00é'.repeat(30)),
);
const record = fc.record({
  uuid: fc.option(fc.uuid()),
  timestamptz: fc.option(
    fc.oneof(fc.integer({ min: -62_135_596_800_000, max: HIGHEST_SAFE_MS }), fc.constantFrom(0, 281_474_976_710_655)),
  ),
  smallint: fc.option(fc.oneof(fc.integer({ min: -32_768, max: 32_767 }), fc.constantFrom(-32_768, 32_767, -0))),
  integer: fc.option(fc.oneof(fc.integer(), fc.constantFrom(-2_147_483_648, 2_147_483_647))),
  bigint: fc.option(
    fc.oneof(fc.maxSafeInteger(), fc.constantFrom(-(2 ** 63), 2 ** 63 - 1024, -1, -(2 ** 32), 2 ** 53 + 2)),
  ),
  text: fc.option(text),
  boolean: fc.option(fc.boolean()),
  jsonb: fc.option(fc.jsonValue().map((value) => JSON.stringify(value).replaceAll('\\u0000', ''))),
  bytea: fc.option(
    fc.oneof(
      fc.uint8Array({ maxLength: 3_000 }),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('hex')),
    ),
  ),
});
const row: InferenceRow = {
  ...{ id: newInferenceId(), gatewayId: '', begin: beginRecord(), end: endRecord(), request: null, response: null },
};

let client: pg.Client;
let drop: () => Promise<void>;

beforeAll(async () => {
  const database = await createTestDatabase();
  drop = database.drop;
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(
    `SET timezone = 'UTC'; CREATE TABLE copied (at integer, ${TYPES.map((t) => `"${t}" ${t}`).join(', ')})`,
  );
});

afterAll(async () => {
  await client.end();
  await drop();
});

/** Columns that give, for the nth row asked, the nth record's values. */
function columnsOf(records: readonly Readonly<Record<ColumnType, Value>>[]): Column[] {
  const of = (value: (index: number) => Value) => {
    let index = 0;
    return () => value(index++);
  };
  return [
    { name: 'at', type: 'integer', of: of((index) => index) },
    ...TYPES.map((type) => ({ name: type, type, of: of((index) => records[index]![type]) })),
  ];
}

function cleaned(value: string | null): string | null {
  return value === null ? null : value.toWellFormed().replaceAll('\0', '\ufffd');
}

test('every value that a column can hold arrives as it is', async () => {
  const buffer = createCopyBuffer();
  await fc.assert(
    fc.asyncProperty(fc.array(record, { maxLength: 20 }), async (records) => {
      await client.query('TRUNCATE copied');
      const messages = buffer.encode(
        columnsOf(records),
        records.map(() => row),
      );
      const statement = `COPY copied (at, ${TYPES.map((type) => `"${type}"`).join(', ')}) FROM STDIN (FORMAT binary)`;
      expect(await copyIn(client, statement, messages)).toBe(records.length);
      const { rows } =
        await client.query(`SELECT uuid, (extract(epoch FROM timestamptz) * 1000)::numeric(30, 0)::text AS ms,
        smallint, integer, bigint::text AS bigint, text, boolean, jsonb::text AS jsonb, bytea FROM copied ORDER BY at`);
      for (const [index, given] of records.entries()) {
        const stored = rows[index];
        expect(stored.uuid).toBe(given.uuid);
        expect(stored.ms).toBe(given.timestamptz === null ? null : String(given.timestamptz));
        expect(stored.smallint).toBe(given.smallint === null ? null : given.smallint + 0);
        expect(stored.integer).toBe(given.integer === null ? null : given.integer + 0);
        expect(stored.bigint).toBe(given.bigint === null ? null : String(BigInt(given.bigint)));
        expect(stored.text).toBe(cleaned(given.text));
        expect(stored.boolean).toBe(given.boolean);
        const bytes = typeof given.bytea === 'string' ? Buffer.from(given.bytea, 'hex') : given.bytea;
        expect(stored.bytea === null ? null : stored.bytea.toString('hex')).toBe(
          bytes === null ? null : Buffer.from(bytes).toString('hex'),
        );
        const { rows: same } = await client.query('SELECT $1::jsonb IS NOT DISTINCT FROM $2::jsonb AS same', [
          stored.jsonb,
          given.jsonb,
        ]);
        expect(same[0].same).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

test.each([
  ['smallint', 32_768],
  ['smallint', -32_769],
  ['integer', 2 ** 31],
  ['integer', 0.5],
  ['bigint', 2 ** 63],
  ['bigint', Number.NaN],
  ['bigint', 1e300],
  ['bytea', 'abc'],
  ['bytea', 'zz'],
] as const)('a %s does not take %s', (type, value) => {
  expect(() => createCopyBuffer().encode([{ name: 'x', type, of: () => value }], [row])).toThrow(RefusedBatchError);
});

test('a row of many megabytes, and small ones after it', async () => {
  await client.query('TRUNCATE copied');
  const buffer = createCopyBuffer();
  const statement = 'COPY copied (bytea) FROM STDIN (FORMAT binary)';
  for (const bytes of [33_000_000, 10, 300_000]) {
    const messages = buffer.encode([{ name: 'bytea', type: 'bytea', of: () => Buffer.alloc(bytes, 7) }], [row]);
    await copyIn(client, statement, messages);
  }
  const { rows } = await client.query('SELECT length(bytea) AS bytes FROM copied ORDER BY 1');
  expect(rows.map(({ bytes }) => bytes)).toEqual([10, 300_000, 33_000_000]);
});

test('an error of the server leaves the connection usable', async () => {
  const messages = createCopyBuffer().encode([{ name: 'at', type: 'integer', of: () => 1 }], [row]);
  await expect(copyIn(client, 'COPY missing (at) FROM STDIN (FORMAT binary)', messages)).rejects.toMatchObject({
    code: '42P01',
  });
  await expect(copyIn(client, 'COPY copied (at, text) FROM STDIN (FORMAT binary)', messages)).rejects.toMatchObject({
    code: '22P04',
  });
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
});
