import { slopeOf } from './statistics.ts';

/** One moment of a soak. */
export interface SoakSample {
  readonly atS: number;
  readonly residentMb: number;
  /** JavaScript heap of the serving threads. */
  readonly heapMb: number;
  /** Of the serving thread that lags most, over the interval that the gateway keeps. */
  readonly loopLagP99Ms: number;
  /** In the spool and not yet in the store. */
  readonly backlogMb: number;
  /** Since the start. */
  readonly errors: number;
}

/** @param metrics the gateway's metrics page */
export function readSample(atS: number, residentBytes: number, metrics: string): SoakSample {
  return {
    atS,
    residentMb: residentBytes / 1e6,
    heapMb: valuesOf(metrics, 'ringside_heap_bytes').reduce((sum, bytes) => sum + bytes, 0) / 1e6,
    loopLagP99Ms: Math.max(0, ...valuesOf(metrics, 'ringside_event_loop_lag_p99_seconds')) * 1000,
    backlogMb: Math.max(0, ...valuesOf(metrics, 'ringside_log_backlog_bytes')) / 1e6,
    errors: valuesOf(metrics, 'ringside_errors_total').reduce((sum, value) => sum + value, 0),
  };
}

/** The values of all series of a metric in the Prometheus text format. */
export function valuesOf(metrics: string, name: string): number[] {
  return metrics
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
}

export interface SoakVerdict {
  /** Slope of the least-squares line through the second half. */
  readonly residentMbPerHour: number;
  readonly lastResidentMb: number;
  readonly worstLoopLagP99Ms: number;
  readonly worstBacklogMb: number;
}

/** The first half is where caches fill and code is compiled; only the second tells whether memory grows. */
export function verdictOfSoak(samples: readonly SoakSample[]): SoakVerdict {
  const middleS = (samples.at(-1)?.atS ?? 0) / 2;
  const half = samples.filter(({ atS }) => atS >= middleS);
  return {
    residentMbPerHour: slopeOf(half.map(({ atS, residentMb }) => ({ x: atS / 3600, y: residentMb }))),
    lastResidentMb: samples.at(-1)?.residentMb ?? 0,
    worstLoopLagP99Ms: Math.max(0, ...samples.map(({ loopLagP99Ms }) => loopLagP99Ms)),
    worstBacklogMb: Math.max(0, ...samples.map(({ backlogMb }) => backlogMb)),
  };
}
