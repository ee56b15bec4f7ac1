import { createHmac } from 'node:crypto';
import { planScan, scanBody } from '#core/body-scan.ts';
import { bucketOf } from '#core/split/bucket.ts';
import { sipKeyFromHex } from '#core/split/siphash.ts';
import { openStream } from '#gateway/providers/openai/stream.ts';

/**
 * Costs of the hot path's own pieces beside the naive way, in one process: medians over rounds that alternate between the
 * two, so that drift hits both. Run it on an otherwise idle machine: `npm run bench:micro`.
 */
const ROUNDS = 9;
const ROUND_MS = 60;

interface Pair {
  readonly name: string;
  readonly ours: () => unknown;
  readonly naive: () => unknown;
  readonly naiveName: string;
}

const body = (bytes: number) =>
  Buffer.from(JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'x "y" \n'.repeat(bytes / 10) }] }));
const plan = planScan(['model', 'stream', 'stream_options', 'user']);
const salt = '000102030405060708090a0b0c0d0e0f';
const sipKey = sipKeyFromHex(salt);
const unit = '01a1fc19-2d2c-769c-8186-437e8843b9d0';
const event = (content: string) =>
  Buffer.from(
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content }, finish_reason: null }], usage: null })}\n\n`,
  );
const chunk = event('token');
const tap = openStream(true);
tap.push(chunk);

const pairs: Pair[] = [
  ...[1_000, 100_000, 1_000_000].map((bytes): Pair => {
    const request = body(bytes);
    return {
      name: `body scan, ${bytes / 1000} KB`,
      ours: () => scanBody(request, plan),
      naive: () => JSON.stringify({ ...(JSON.parse(request.toString()) as object), model: 'upstream' }),
      naiveName: 'parse + stringify',
    };
  }),
  {
    name: 'bucket of a 36-byte unit',
    ours: () => bucketOf(sipKey, 1, unit),
    naive: () => createHmac('sha256', salt).update(`1\0${unit}`).digest().readUInt32BE(0),
    naiveName: 'HMAC-SHA-256',
  },
  {
    name: 'stream tap, one token event',
    ours: () => tap.push(chunk),
    naive: () => JSON.parse(chunk.toString().slice(6)),
    naiveName: 'parse the event',
  },
];

/** Nanoseconds per call in one round. */
function round(work: () => unknown): number {
  const start = performance.now();
  let calls = 0;
  do {
    for (let i = 0; i < 10; i++) work();
    calls += 10;
  } while (performance.now() - start < ROUND_MS);
  return ((performance.now() - start) * 1e6) / calls;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

process.stdout.write(`node ${process.version}, medians of ${ROUNDS} alternating rounds\n`);
for (const { name, ours, naive, naiveName } of pairs) {
  const [a, b]: [number[], number[]] = [[], []];
  round(ours);
  round(naive);
  for (let i = 0; i < ROUNDS; i++) {
    a.push(round(ours));
    b.push(round(naive));
  }
  const [mine, theirs] = [median(a), median(b)];
  process.stdout.write(
    `${name.padEnd(30)} ${mine.toFixed(0).padStart(10)} ns   ${naiveName.padEnd(18)} ${theirs.toFixed(0).padStart(10)} ns   ${(theirs / mine).toFixed(1)} ×\n`,
  );
}
