import { expect, test } from 'vitest';
import { createHeartbeat } from '#gateway/heartbeat.ts';

/** Reports that end when the test says so. */
function slowReports() {
  const underWay: PromiseWithResolvers<void>[] = [];
  const heartbeat = createHeartbeat(() => {
    const report = Promise.withResolvers<void>();
    underWay.push(report);
    return report.promise;
  });
  return { heartbeat, underWay };
}
const turn = () => new Promise((done) => setImmediate(done));

test('nothing is reported before the start; then one at a time, and once more for all that came meanwhile', async () => {
  const { heartbeat, underWay } = slowReports();
  heartbeat.soon();
  expect(underWay).toHaveLength(0);
  heartbeat.start();
  for (let i = 0; i < 3; i++) heartbeat.soon();
  expect(underWay).toHaveLength(1);
  underWay[0]!.reject(new Error('an outage'));
  await turn();
  expect(underWay).toHaveLength(2);
  underWay[1]!.resolve();
  await turn();
  expect(underWay).toHaveLength(2);
  await heartbeat.stop();
});

test('a stop waits for the report under way, and none follows it', async () => {
  const { heartbeat, underWay } = slowReports();
  heartbeat.start();
  heartbeat.soon();
  heartbeat.soon(); // one is wanted behind it
  let stopped = false;
  const stopping = heartbeat.stop().then(() => {
    stopped = true;
  });
  await turn();
  expect(stopped).toBe(false);
  underWay[0]!.resolve();
  await stopping;
  heartbeat.soon();
  await turn();
  expect(underWay).toHaveLength(1);
});
