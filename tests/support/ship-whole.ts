import { createShipper } from '#inference-log/shipper.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';

/** Ships every spool of a folder into a database, in small batches whose borders do not depend on time. */
export async function shipWhole(root: string, gatewayId: string, databaseUrl: string): Promise<void> {
  const sink = createPostgresSink({ databaseUrl, maxConnections: 1 });
  const alarms: string[] = [];
  const shipper = await createShipper({
    ...{ root, sink, gatewayId, batchRows: 6, batchBytes: 90_000, maxBatchAgeMs: 600_000, pollMs: 5 },
    ...{ nowMs: Date.now, monotonicMs: () => performance.now(), random: () => 0 },
    onAlarm: (code, message) => void alarms.push(`${code}: ${message}`),
    onLedger: () => {},
    onBacklog: () => {},
  });
  const { drained } = await shipper.stop({ drain: true, deadlineMs: 20_000 });
  await sink.close();
  if (!drained) throw new Error(`not everything was shipped: ${alarms.join('; ')}`);
}
