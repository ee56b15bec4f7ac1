import { expect, test } from 'vitest';
import { runOverlapping } from '#control-plane/jobs/overlapping.ts';
import { startable } from '#control-plane/jobs/shadow-evaluations.ts';

const signal = () => new AbortController().signal;

test('what becomes due while a slow one is under way is begun, and nothing twice at once', async () => {
  const slow = Promise.withResolvers<void>();
  const begun: string[] = [];
  const rounds: readonly string[][] = [['slow', 'a'], ['slow', 'b'], ['c'], []];
  let round = 0;
  const failures = await runOverlapping(
    {
      everyMs: 1,
      keyOf: (item: string) => item,
      take: async (busy) => {
        const due = rounds[round++] ?? [];
        // Those of the last round have ended, the slow one has not.
        if (round === rounds.length) slow.resolve();
        return due.filter((item) => !busy.includes(item));
      },
      work: async (item) => {
        begun.push(item);
        if (item === 'slow') await slow.promise;
      },
    },
    signal(),
  );
  expect(failures).toEqual([]);
  expect(begun).toEqual(['slow', 'a', 'b', 'c']);
});

test('after a failure nothing more is begun, and what is under way ends', async () => {
  let ended = 0;
  const failures = await runOverlapping(
    {
      everyMs: 1,
      keyOf: (item: number) => String(item),
      take: async (busy) => (busy.length === 0 ? [1, 2] : [3]),
      work: async (item) => {
        if (item === 1) throw new Error('broken');
        await new Promise((done) => setImmediate(done));
        ended++;
      },
    },
    signal(),
  );
  expect(failures).toEqual(['1: broken']);
  expect(ended).toBe(1);
});

test('groups whose judges hang leave places to those of other organizations', () => {
  const groups = (organizationId: string, count: number) =>
    Array.from({ length: count }, (_, index) => ({ organizationId, groupId: `g${index}` }));
  const first = startable([...groups('a', 40), ...groups('b', 3)], []);
  expect(first).toEqual([...groups('a', 16), ...groups('b', 3)]);
  const busy = first.map(({ organizationId, groupId }) => `${organizationId}/${groupId}`);
  expect(startable([...groups('a', 40), ...groups('b', 4)], busy)).toEqual([{ organizationId: 'b', groupId: 'g3' }]);
  const many = Array.from({ length: 200 }, (_, index) => ({ organizationId: `o${index}`, groupId: 'g' }));
  expect(startable(many, [])).toHaveLength(128);
});
