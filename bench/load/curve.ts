import type { Field } from './row.ts';
import { missed, runScheduled } from './scheduled.ts';
import { chatBody, gatewaysOf, settled, type Target } from './side.ts';
import { runWrk } from './wrk.ts';

/** Latency of one gateway at shares of its own peak rate. */
export interface Curve {
  readonly name: string;
  /** Closed loop, 64 connections. */
  readonly peakRequestsPerS: number;
  readonly points: readonly CurvePoint[];
}

export interface CurvePoint {
  /** As scheduled, not as answered. */
  readonly requestsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly latenessP99Ms: number;
}

const SHARES = [0.1, 0.25, 0.5, 0.75, 0.9];
const QUICK_SHARES = [0.1, 0.5, 0.9];
const PROMPT_BYTES = 1_000;
const CONNECTIONS = 64;
const LONGEST_RUN_S = 3;

/** Rate against latency, each gateway by itself. One that cannot be measured is noted and left out. */
export async function measureCurves(field: Field): Promise<readonly Curve[]> {
  const curves: Curve[] = [];
  for (const target of gatewaysOf(field)) {
    try {
      curves.push(await measureCurve(field, target));
    } catch (error) {
      field.note(`curve: ${target.name} could not be measured: ${String(error)}`);
    } finally {
      await settled(field, target);
    }
  }
  return curves;
}

async function measureCurve(field: Field, { name, url, headers, model }: Target): Promise<Curve> {
  const load = {
    ...{ url, headers, core: field.otherCore, scratch: field.scratch, connections: CONNECTIONS },
    seconds: Math.min(field.seconds, LONGEST_RUN_S),
    body: chatBody(model, PROMPT_BYTES),
  };
  const { requestsPerS: peakRequestsPerS } = await runWrk(load);
  const points: CurvePoint[] = [];
  for (const share of field.quick ? QUICK_SHARES : SHARES) {
    const requestsPerS = Math.max(1, Math.round(share * peakRequestsPerS));
    const result = await runScheduled({ ...load, pace: { kind: 'constant', requestsPerS } });
    field.say(
      `curve ${name}: ${requestsPerS} req/s (${share * 100} % of peak), p50 ${result.p50Ms.toFixed(3)} ms, p99 ${result.p99Ms.toFixed(2)} ms`,
    );
    const without = missed(result);
    if (without > 0) {
      field.note(
        `curve: ${name} at ${requestsPerS} req/s left ${without} of ${result.scheduled} requests without a good answer`,
      );
    }
    const { p50Ms, p99Ms, latenessP99Ms } = result;
    if (latenessP99Ms > p99Ms / 2) {
      field.note(
        `curve: at ${requestsPerS} req/s the generator itself was late (p99 ${latenessP99Ms.toFixed(2)} ms): the p99 of ${name} there is mostly its own`,
      );
    }
    // Of nothing answered there is no latency.
    if (Number.isFinite(p50Ms)) points.push({ requestsPerS, p50Ms, p99Ms, latenessP99Ms });
  }
  return { name, peakRequestsPerS, points };
}
