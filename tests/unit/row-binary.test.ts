import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { InferenceRow } from '#inference-log/record.ts';
import type { WireColumn } from '#inference-log/sinks/clickhouse/columns.ts';
import { createRowBinaryBuffer } from '#inference-log/sinks/clickhouse/row-binary.ts';
import type { ColumnType } from '#inference-log/sinks/columns.ts';
import { RefusedBatchError } from '#inference-log/spool.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';

type Value = string | number | boolean | Uint8Array | null;

const ROW: InferenceRow = {
  ...{ id: newInferenceId(), gatewayId: '', begin: beginRecord(), end: endRecord(), request: null, response: null },
};
const column = (type: ColumnType, nullable: boolean, value: Value): WireColumn => ({
  ...{ name: 'x', type, nullable },
  of: () => value,
});

/** Reads what RowBinary's documentation says, as plainly as it says it. */
function decode(bytes: Buffer, columns: readonly WireColumn[]): unknown[] {
  let at = 0;
  const take = (count: number) => {
    at += count;
    return bytes.subarray(at - count, at);
  };
  const string = () => {
    let [length, shift] = [0, 0];
    for (let byte = 128; byte >= 128; shift += 7) {
      byte = take(1)[0]!;
      length += (byte & 127) * 2 ** shift;
    }
    return take(length);
  };
  const half = () => take(8).readBigUInt64LE().toString(16).padStart(16, '0');
  const values = columns.map(({ type, nullable }) => {
    if (nullable && take(1)[0] === 1) return null;
    switch (type) {
      case 'text':
      case 'jsonb':
        return string().toString('utf8');
      case 'bytea':
        return string().toString('hex');
      case 'uuid':
        return (half() + half()).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
      case 'bigint':
      case 'timestamptz':
        return Number(take(8).readBigInt64LE());
      case 'integer':
        return take(4).readInt32LE();
      case 'smallint':
        return take(2).readInt16LE();
      case 'boolean':
        return take(1)[0] === 1;
      default:
        return type satisfies never;
    }
  });
  expect(at).toBe(bytes.length);
  return values;
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 }).map((codes) => String.fromCharCode(...codes)),
  fc.constantFrom('', '\0', '\ud800', 'a'.repeat(40), 'a'.repeat(127), 'é'.repeat(64), 'z'.repeat(20_000)),
);
const typed = (type: ColumnType, values: fc.Arbitrary<Value>) =>
  values.map((value): [ColumnType, Value] => [type, value]);
const field = fc.oneof(
  typed('text', text),
  typed('jsonb', text),
  typed('uuid', fc.uuid()),
  typed('bytea', fc.uint8Array({ maxLength: 3_000 })),
  typed('smallint', fc.integer({ min: -32_768, max: 32_767 })),
  typed('integer', fc.integer()),
  typed('bigint', fc.oneof(fc.maxSafeInteger(), fc.constantFrom(-(2 ** 63), 2 ** 63 - 1024, -1, -(2 ** 32)))),
  typed('timestamptz', fc.integer({ min: 0, max: 4_102_444_800_000 })),
  typed('boolean', fc.boolean()),
);

test('what is encoded reads back as it was, text mended as PostgreSQL needs it', () => {
  const buffer = createRowBinaryBuffer();
  fc.assert(
    fc.property(fc.array(fc.tuple(field, fc.boolean(), fc.boolean()), { maxLength: 30 }), (fields) => {
      const columns = fields.map(([[type, value], nullable, isNull]) =>
        column(type, nullable, nullable && isNull ? null : value),
      );
      const expected = columns.map(({ type, of }) => {
        const value = of(ROW);
        if (typeof value === 'string' && type !== 'uuid') return value.toWellFormed().replaceAll('\0', '\ufffd');
        return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
      });
      expect(decode(buffer.encode(columns, [ROW]), columns)).toEqual(expected);
    }),
  );
});

test.each<[ColumnType, Value]>([
  ['smallint', 32_768],
  ['smallint', -32_769],
  ['integer', 2 ** 31],
  ['integer', 0.5],
  ['bigint', 2 ** 63],
  ['bigint', Number.NaN],
  ['timestamptz', 281_474_976_710_655],
  ['bytea', 'abc'],
  ['bytea', 'zz'],
  ['text', null],
])('a %s that must be there does not take %s', (type, value) => {
  expect(() => createRowBinaryBuffer().encode([column(type, false, value)], [ROW])).toThrow(RefusedBatchError);
});
