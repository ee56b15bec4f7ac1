// temporary measurement; removed before the report
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInferenceId, createRandomPool, groupHashOf } from '#core/ids.ts';
import { createShipper } from '#inference-log/shipper.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';

const root = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'rs-bench-'));
const gatewayId = randomUUID();
const groupId = randomUUID();
const hash = groupHashOf(groupId);
const pool = createRandomPool();
const begin = {
  organizationId: randomUUID(),
  groupId,
  configVersion: 3,
  keyId: randomUUID(),
  operation: 'chat',
  dialect: 'openai-chat',
  streamed: false,
  assignedVariant: 'gpt-4o-mini',
  unit: 'user-1234',
  unitSource: 'user',
  hashVersion: 1,
  bucket: 1234,
  rangeFrom: 0,
  rangeTo: 5000,
  phase: 1,
  traceId: '0af7651916cd43dd8448eb211c80319c',
  requestBytes: 1024,
  requestSha256: null,
} as const;
const end = {
  status: 200,
  outcome: 'completed',
  errorCode: null,
  endReason: 'body',
  servedVariant: 'gpt-4o-mini',
  servedReason: 'assigned',
  finishReason: 'stop',
  attempts: [
    {
      provider: 'p',
      model: 'm',
      upstreamModel: 'gpt',
      status: 200,
      errorCode: null,
      startNs: 1,
      connectNs: 3,
      firstByteNs: 4,
      endNs: 5,
      requestId: 'req_123',
    },
  ],
  inputTokens: 10,
  outputTokens: 20,
  cachedTokens: null,
  reasoningTokens: null,
  queueNs: 1,
  connectNs: 2,
  firstByteNs: 3,
  firstTokenNs: null,
  totalNs: 123456789,
  responseBytes: 1024,
  responseSha256: null,
  responseType: 'application/json',
} as const;
const N = Number(process.env['N'] ?? 200000);
const perTurn = Number(process.env['TURN'] ?? 10);
const writer = await createSpoolWriter({
  root,
  gatewayId,
  maxSpoolBytes: 16e9,
  nowMs: Date.now,
  randomId: randomUUID,
  onAlarm: console.log,
});
const req = [randomBytes(1024)],
  res = [randomBytes(1024)];
let done = 0;
const t0 = performance.now();
const c0 = process.cpuUsage();
await new Promise<void>((resolve) => {
  const turn = () => {
    for (let i = 0; i < perTurn; i++) {
      const id = createInferenceId(Date.now(), hash, pool);
      writer.begin(id, begin, req);
      writer.end(id, end, res, () => {
        if (++done === N) resolve();
      });
    }
    if (done < N) setImmediate(turn);
  };
  turn();
});
const dt = (performance.now() - t0) / 1000;
console.log(
  `writer: ${N} inferences (${perTurn}/turn) in ${dt.toFixed(2)} s: ${Math.round((2 * N) / dt)} frames/s, ${((dt / N) * 1e6).toFixed(1)} us per inference, cpu ${JSON.stringify(process.cpuUsage(c0))}`,
);
writer.close();
const url = process.env['DATABASE_URL'];
if (url) {
  const sink = createPostgresSink({ databaseUrl: url });
  const batchRows = Number(process.env['ROWS'] ?? 1000);
  let rows = 0;
  const counted = {
    ...sink,
    write: async (b: Parameters<typeof sink.write>[0]) => {
      await sink.write(b);
      rows += b.rows.length;
    },
  };
  const t1 = performance.now();
  const c1 = process.cpuUsage();
  const shipper = await createShipper({
    root,
    sink: counted,
    gatewayId,
    batchRows,
    batchBytes: 8e6,
    maxBatchAgeMs: 250,
    nowMs: Date.now,
    random: Math.random,
    onLedger: () => {},
    onBacklog: () => {},
    onAlarm: console.log,
  });
  const { drained } = await shipper.stop({ drain: true, deadlineMs: 600000 });
  const d2 = (performance.now() - t1) / 1000;
  const cpu = process.cpuUsage(c1);
  console.log(
    `shipper: drained ${drained}, ${rows} rows in ${d2.toFixed(2)} s: ${Math.round(rows / d2)} rows/s, shipper cpu ${((cpu.user + cpu.system) / 1e6).toFixed(2)} s`,
  );
  await sink.close();
}
rmSync(root, { recursive: true });
