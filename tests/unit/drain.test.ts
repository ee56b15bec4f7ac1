import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { drain } from '#gateway/drain.ts';

async function startDrain(drainMs: number, isBusy: () => boolean) {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return drain(server, drainMs, isBusy, () => undefined);
}

test('a drain waits for ends that are not written, though no connection is open', async () => {
  let looks = 0;
  await startDrain(60_000, () => ++looks < 150);
  expect(looks).toBe(150);
});

test('it gives up what never ends at its limit, after the turns that hearing of it takes', async () => {
  let looks = 0;
  await startDrain(10, () => {
    looks++;
    return true;
  });
  expect(looks).toBe(101);
});
