import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTurns } from '#inference-log/sinks/clickhouse/turns.ts';

test('never more than allowed at a time, all of them in order, failures included', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.record({ pauses: fc.nat(4), fails: fc.boolean() }), { maxLength: 12 }),
      async (count, works) => {
        const turns = createTurns(count);
        const started: number[] = [];
        let running = 0;
        const results = await Promise.allSettled(
          works.map(({ pauses, fails }, index) =>
            turns.run(async () => {
              started.push(index);
              running++;
              expect(running).toBeLessThanOrEqual(count);
              for (let i = 0; i < pauses; i++) await Promise.resolve();
              running--;
              if (fails) throw new Error(String(index));
              return index;
            }),
          ),
        );
        expect(started).toEqual(works.map((_, index) => index));
        expect(results.map(({ status }) => status === 'rejected')).toEqual(works.map(({ fails }) => fails));
      },
    ),
  );
});
