import { percentile } from '../statistics.ts';

/** What one run of the client found. All times in milliseconds; all figures are of the window after the ramp. */
export interface ClientResult {
  readonly failed: number;
  /** The first few reasons of failures. */
  readonly reasons: readonly string[];
  /** Streams that were opened and that ended whole, ramp included. */
  readonly opened: number;
  readonly ended: number;
  /** Streams that were open at the end of the window. */
  readonly open: number;
  readonly events: number;
  readonly lost: number;
  readonly duplicated: number;
  /** From the request's sending to the first token, without what the streamer waited: the request's way and the token's way. */
  readonly firstToken: Spread;
  /** From a token's sending to its arrival. */
  readonly transit: Spread;
  /** What a gap between two tokens of a stream was longer or shorter than it was sent: positive where the later one was late. */
  readonly gap: Spread;
  /** Streams that ended in the window, per second. */
  readonly endedPerS: number;
  readonly eventsPerS: number;
  /** Share of a core that the client used. */
  readonly cpuShare: number;
}

export interface Spread {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const MAX_REASONS = 3;

/** NaN without values. */
export function spreadOf(valuesNs: readonly number[]): Spread {
  const ms = (percent: number) => (valuesNs.length === 0 ? Number.NaN : percentile(valuesNs, percent) / 1e6);
  return { count: valuesNs.length, p50Ms: ms(50), p99Ms: ms(99), maxMs: ms(100) };
}

/** Collects what the connections see. Counts of streams cover the whole run, times and events only the window. */
export class Tally {
  opened = 0;
  ended = 0;
  failed = 0;
  events = 0;
  lost = 0;
  duplicated = 0;
  readonly #reasons: string[] = [];
  readonly #firstTokenNs: number[] = [];
  readonly #transitNs: number[] = [];
  readonly #gapNs: number[] = [];
  #window: { readonly fromNs: number; readonly ended: number; readonly cpu: NodeJS.CpuUsage } | null = null;

  openWindow(nowNs: number): void {
    this.#window = { fromNs: nowNs, ended: this.ended, cpu: process.cpuUsage() };
  }

  fail(reason: string): void {
    this.failed++;
    if (this.#reasons.length < MAX_REASONS) this.#reasons.push(reason);
  }

  // hot
  token(transitNs: number, lastTransitNs: number | null): void {
    if (this.#window === null) return;
    this.events++;
    this.#transitNs.push(transitNs);
    if (lastTransitNs !== null) this.#gapNs.push(transitNs - lastTransitNs);
  }

  firstToken(requestedNs: number, wayNs: number): void {
    if (this.#window !== null && requestedNs >= this.#window.fromNs) this.#firstTokenNs.push(wayNs);
  }

  result(nowNs: number, open: number): ClientResult {
    const { fromNs, ended, cpu } = this.#window!;
    const seconds = (nowNs - fromNs) / 1e9;
    const { user, system } = process.cpuUsage(cpu);
    return {
      failed: this.failed,
      reasons: this.#reasons,
      opened: this.opened,
      ended: this.ended,
      open,
      events: this.events,
      lost: this.lost,
      duplicated: this.duplicated,
      firstToken: spreadOf(this.#firstTokenNs),
      transit: spreadOf(this.#transitNs),
      gap: spreadOf(this.#gapNs),
      endedPerS: (this.ended - ended) / seconds,
      eventsPerS: this.events / seconds,
      cpuShare: (user + system) / 1e6 / seconds,
    };
  }
}
