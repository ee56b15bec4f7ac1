import { createHash, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allocateFeedbackMeter, createFeedbackMeter } from '#gateway/feedback/meter.ts';

const MINUTE_US = 60_000_000n;

function meterAt(perMinute: number, threads = 1) {
  const cells = allocateFeedbackMeter();
  const clock = { us: 5_000_000_000n };
  const meters = Array.from({ length: threads }, () => createFeedbackMeter(cells, perMinute, () => clock.us));
  return { meters, meter: meters[0]!, clock };
}

test('a key may report as much at once as in a minute, and is told when it may again', () => {
  const { meter, clock } = meterAt(6_000);
  const key = randomUUID();
  for (let call = 0; call < 6; call++) expect(meter.take(key, 1_000)).toBeNull();
  expect(meter.take(key, 1)).toBe(1);
  expect(meter.take(key, 1_000)).toBe(10);
  // Another key is not concerned; nor is one that was refused worse off for having asked.
  expect(meter.take(randomUUID(), 6_000)).toBeNull();
  clock.us += 9_999_999n;
  expect(meter.take(key, 1_000)).toBe(1);
  clock.us += 1n;
  expect(meter.take(key, 1_000)).toBeNull();
  clock.us += 10n * MINUTE_US;
  expect(meter.take(key, 6_000)).toBeNull();
  expect(meter.take(key, 1)).toBe(1);
});

test('threads share what a key has', () => {
  const { meters, clock } = meterAt(3_000, 3);
  const key = randomUUID();
  for (const meter of meters) expect(meter.take(key, 1_000)).toBeNull();
  for (const meter of meters) expect(meter.take(key, 1_000)).toBe(20);
  clock.us += MINUTE_US;
  expect(meters[2]!.take(key, 3_000)).toBeNull();
});

test('more keys than there are slots: those that rest make room, and a key is never given more than its minute', () => {
  const { meter, clock } = meterAt(1_000);
  for (let round = 0; round < 12; round++) {
    for (let key = 0; key < 500; key++) {
      const id = createHash('md5').update(`${round} ${key}`).digest('hex');
      expect(meter.take(id, 1_000)).toBeNull();
      expect(meter.take(id, 1)).toBe(1);
    }
    clock.us += MINUTE_US;
  }
});

test('over any time, no more passes than a minute at once and the rate since', () => {
  const call = fc.record({ waitUs: fc.nat(30_000_000), reports: fc.integer({ min: 1, max: 1_000 }) });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 200 }), (calls) => {
      const { meter, clock } = meterAt(2_000);
      const key = randomUUID();
      const start = clock.us;
      let passed = 0;
      for (const { waitUs, reports } of calls) {
        clock.us += BigInt(waitUs);
        const waitS = meter.take(key, reports);
        if (waitS === null) passed += reports;
        else {
          clock.us += BigInt(waitS) * 1_000_000n;
          expect(meter.take(key, reports)).toBeNull();
          passed += reports;
        }
        expect(passed).toBeLessThanOrEqual(2_000 + (2_000 * Number(clock.us - start)) / Number(MINUTE_US) + 1);
      }
    }),
  );
});
