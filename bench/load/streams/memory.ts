import { residentBytes } from '../processes.ts';
import type { Field, Line } from '../row.ts';
import { runClient } from './start.ts';
import { noteFaults, type StreamTarget } from './target.ts';

const GAP_MS = 1_000;
const FIRST_TOKEN_MS = 1_000;
const RAMP_PER_S = 500;
const SETTLE_MS = 2_000;
const MIN_SECONDS = 5;
const SAMPLE_EVERY_MS = 250;
/** After the streams have left: idle connections to the upstream close after 4 s. */
const AFTERWARDS_MS = 6_000;
const TARGET_MB = 1_200;

const megabytes = (pid: number) => residentBytes(pid) / 1e6;

/** Resident memory of the whole gateway process with many streams open at once: the largest sample of the plateau. */
export async function measureMemory(
  field: Field,
  target: StreamTarget & { readonly pid: number },
  { wanted, possible: streams }: { readonly wanted: number; readonly possible: number },
): Promise<Line> {
  const { url, headers, model, pid } = target;
  const seconds = Math.max(field.seconds, MIN_SECONDS);
  // No stream ends before the client leaves.
  const tokens = Math.ceil(streams / RAMP_PER_S + SETTLE_MS / 1_000 + seconds) * 2;
  const pace = { kind: 'paced', tokens, gapMs: GAP_MS, firstMs: FIRST_TOKEN_MS } as const;
  const run = { url, headers, model, pace, streams, rampPerS: RAMP_PER_S, settleMs: SETTLE_MS, seconds };
  const beforeMb = megabytes(pid);
  const samplesMb: number[] = [];
  const result = await runClient(run, field.otherCore, () => {
    const sampling = setInterval(() => samplesMb.push(megabytes(pid)), SAMPLE_EVERY_MS);
    setTimeout(() => clearInterval(sampling), seconds * 1_000 - SAMPLE_EVERY_MS);
  });
  noteFaults(field, `${streams} open streams`, result);
  await new Promise((done) => setTimeout(done, AFTERWARDS_MS));
  const ours = Math.max(...samplesMb);
  const figures = [
    `${beforeMb.toFixed(0)} MB before, ${megabytes(pid).toFixed(0)} MB after they left`,
    `${result.open} streams open at the end`,
    `way of a token p50 ${result.transit.p50Ms.toFixed(2)} ms, p99 ${result.transit.p99Ms.toFixed(2)} ms`,
    ...(streams < wanted ? [`not ${wanted}: the limit of open files is the machine's`] : []),
  ];
  field.say(`P4 ${streams} open streams: ${ours.toFixed(0)} MB; ${figures.join('; ')}`);
  return {
    row: 'P4',
    what: `resident memory with ${streams} open streams of 1 token/s`,
    unit: 'MB',
    ours,
    peer: null,
    compared: ours,
    target: field.quick ? null : { atMost: TARGET_MB },
    remark: figures.join('; '),
  };
}
