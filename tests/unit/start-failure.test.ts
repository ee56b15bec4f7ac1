import { expect, test } from 'vitest';
import { explainStartFailure } from '#cli/start-failure.ts';

const withCode = (message: string, code: string) => Object.assign(new Error(message), { code });
const migrationFailed = (cause: Error) => new Error(`migration 0008_x failed: ${cause.message}`, { cause });

test.each([
  ['nobody listens', withCode('connect ECONNREFUSED 127.0.0.1:1', 'ECONNREFUSED')],
  ['it shuts down', withCode('the database system is shutting down', '57P03')],
  ['it has no connection left', withCode('sorry, too many clients already', '53300')],
])('a database that cannot be reached is said so: %s', (_, error) => {
  const line = `the database cannot be reached: ${error.message}; check DATABASE_URL`;
  expect(explainStartFailure(error)).toBe(line);
  expect(explainStartFailure(migrationFailed(error))).toBe(line);
});

test.each([
  ['53200', 'out of shared memory'],
  ['53100', 'could not extend file: No space left on device'],
  ['55P03', 'canceling statement due to lock timeout'],
])('one that answers with %s was reached: its own words are the line', (code, message) => {
  expect(explainStartFailure(migrationFailed(withCode(message, code)))).toBe(`migration 0008_x failed: ${message}`);
});
