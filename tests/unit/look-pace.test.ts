import { expect, test } from 'vitest';
import { createLanes } from '#control-plane/rollout/lanes.ts';
import { createLookPace } from '#control-plane/rollout/look-pace.ts';

const ROLLOUT = { id: 'r', version: 3, plan: { intervalMs: 30_000 } };

test('a rollout is looked at when its interval is over, or ten times what the look took, or when somebody changed it', () => {
  const pace = createLookPace(() => 0);
  expect(pace.isDue(ROLLOUT, 0)).toBe(true);
  pace.looked(ROLLOUT, 0, 200);
  expect([pace.isDue(ROLLOUT, 29_999), pace.isDue(ROLLOUT, 30_000)]).toEqual([false, true]);
  pace.looked(ROLLOUT, 0, 10_000);
  expect([pace.isDue(ROLLOUT, 99_999), pace.isDue(ROLLOUT, 100_000)]).toEqual([false, true]);
  const changed = { ...ROLLOUT, version: 4 };
  expect(pace.isDue(changed, 1)).toBe(true);
  pace.moved('r', 4);
  expect(pace.isDue(changed, 1)).toBe(false);
  pace.keepOnly(new Set());
  expect(pace.isDue(changed, 1)).toBe(true);
});

test('looks that fail wait ever longer, up to a minute or the interval, and are spread', () => {
  const waits = (random: number, intervalMs: number) => {
    const pace = createLookPace(() => random);
    const rollout = { ...ROLLOUT, plan: { intervalMs } };
    return Array.from({ length: 8 }, () => {
      pace.failed(rollout, 0);
      let waitMs = 0;
      while (!pace.isDue(rollout, waitMs)) waitMs += 500;
      return waitMs / 1_000;
    });
  };
  expect(waits(0, 30_000)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  expect(waits(0.5, 500)).toEqual([1.5, 2.5, 5, 10, 20, 40, 75, 75]);
  expect(waits(0, 100_000).at(-1)).toBe(100);
});

test('lanes do so much at once, each piece once, and begin nothing more when they are told to end', async () => {
  const open = new Map<string, () => void>();
  const begun: string[] = [];
  const lanes = createLanes<{ id: string }>(2, ({ id }) => {
    begun.push(id);
    return new Promise((done) => open.set(id, done));
  });
  const end = new AbortController();
  const offer = (...ids: string[]) =>
    lanes.offer(
      ids.map((id) => ({ id })),
      end.signal,
    );
  offer('a', 'b', 'c', 'd');
  expect(begun).toEqual(['a', 'b']);
  // What is under way is not begun beside itself, and what waited is what was offered last.
  offer('a', 'd', 'e');
  open.get('a')!();
  await expect.poll(() => begun).toEqual(['a', 'b', 'd']);
  end.abort();
  for (const id of ['b', 'd']) open.get(id)!();
  await lanes.settle();
  expect(begun).toEqual(['a', 'b', 'd']);
});
