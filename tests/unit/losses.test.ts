import { expect, test } from 'vitest';
import { createLosses } from '#inference-log/losses.ts';
import { DEFAULT_TERMS } from '#inference-log/spool-terms.ts';

const release = () => undefined;
const loss = (countsNow: boolean) => ({ terms: DEFAULT_TERMS, reason: 'write_failed', countsNow });

test('an end that is lost counts when its drop frame is written, which is owed until then', () => {
  const losses = createLosses();
  losses.lose('end', 'a', 'write_failed', DEFAULT_TERMS, release);
  expect(losses.takeEnded()).toMatchObject([loss(false)]);
  expect(losses.takeOwed()).toEqual([['a', DEFAULT_TERMS]]);
  losses.lose('drop', 'a', 'write_failed', DEFAULT_TERMS, undefined);
  expect(losses.takeOwed()).toEqual([['a', DEFAULT_TERMS]]);
  expect(losses.paid('a')).toMatchObject({ reason: 'write_failed' });
  expect([losses.paid('a'), losses.owesDrops]).toEqual([undefined, false]);
});

test('an inference that has ended does not become broken, whatever of it is lost later', () => {
  const losses = createLosses();
  losses.lose('end', 'a', 'write_failed', DEFAULT_TERMS, release);
  losses.lose('part', 'a', 'sync_failed', DEFAULT_TERMS, undefined);
  expect(losses.isBroken('a')).toBe(false);
  // Its begin waited in the same write.
  losses.takeOwed();
  losses.lose('begin', 'a', 'write_failed', DEFAULT_TERMS, undefined);
  losses.lose('drop', 'a', 'write_failed', DEFAULT_TERMS, undefined);
  expect([losses.isBroken('a'), losses.owesDrops, losses.paid('a')]).toEqual([false, false, undefined]);
  expect(losses.takeEnded()).toMatchObject([loss(false), loss(true)]);
});

test('at the close what is not in the file counts at once, and not again with its end', () => {
  const losses = createLosses();
  losses.lose('begin', 'a', 'write_failed', DEFAULT_TERMS, undefined);
  expect(losses.takeEnded()).toEqual([]);
  losses.close();
  losses.lose('begin', 'b', 'closed', DEFAULT_TERMS, undefined);
  expect(losses.takeEnded()).toMatchObject([loss(true), { ...loss(true), reason: 'closed' }]);
  for (const id of ['a', 'b']) losses.lose('end', id, 'closed', DEFAULT_TERMS, release);
  expect(losses.takeEnded()).toMatchObject([loss(false), { ...loss(false), reason: 'closed' }]);
  expect(losses.owesDrops).toBe(false);
});
