import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SignsOfLife } from '#gateway/flow/signs-of-life.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function stream(afterMs: number) {
  const watched = { afterMs, silentMs: 0, signs: 0, sign: () => void watched.signs++ };
  return watched;
}

test('a silent stream gets a sign after its time, and again; one that is written to gets none', () => {
  const signs = new SignsOfLife(100);
  const [silent, busy] = [stream(300), stream(300)];
  signs.watch(silent);
  signs.watch(busy);
  for (let tick = 0; tick < 7; tick++) {
    busy.silentMs = 0;
    vi.advanceTimersByTime(100);
  }
  expect(silent.signs).toBe(2);
  expect(busy.signs).toBe(0);
});

test('no time means never, and without streams there is no timer', () => {
  const signs = new SignsOfLife(100);
  const [never, one] = [stream(0), stream(100)];
  signs.watch(never);
  expect(vi.getTimerCount()).toBe(0);
  signs.watch(one);
  expect(vi.getTimerCount()).toBe(1);
  signs.unwatch(one);
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(1_000);
  expect([never.signs, one.signs]).toEqual([0, 0]);
});
