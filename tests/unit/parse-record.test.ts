import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { parseBegin } from '#inference-log/parse-record.ts';
import { beginRecord, GROUP_ID } from '#tests/support/records.ts';

const parse = (changes: object) => parseBegin(Buffer.from(JSON.stringify({ ...beginRecord(), ...changes })));
const id = randomUUID();

test.each([
  {},
  { experiment: { id, phase: 1, arm: 0 } },
  { experiment: { id, phase: 1, arm: 0, correlation: 'order-7' } },
  { experiment: { id, phase: 1, arm: 0 }, shadowOf: id },
  { experiment: { id, phase: 1, arm: 0, more: 'of a later release' } },
])('a begin record with %j is read as it was written', (changes) => {
  expect(parse(changes)).toEqual({ kind: 'parsed', value: { ...beginRecord(), ...changes } });
});

test.each([
  [{ experiment: null }, 'experiment'],
  [{ experiment: [] }, 'experiment'],
  [{ experiment: { id: 'x', phase: 1, arm: 0 } }, 'experiment'],
  [{ experiment: { id, phase: '1', arm: 0 } }, 'experiment'],
  [{ experiment: { id, phase: 1 } }, 'experiment'],
  [{ experiment: { id, phase: 1, arm: 0, correlation: 7 } }, 'experiment'],
  [{ shadowOf: 'x' }, 'shadowOf'],
  [{ shadowOf: null }, 'shadowOf'],
])('one with %j is bad, for a store has no place for it, and tells its group', (changes, field) => {
  expect(parse(changes)).toEqual({ kind: 'bad', reason: expect.stringContaining(`begin.${field}`), groupId: GROUP_ID });
});
