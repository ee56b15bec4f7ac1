import type { StartedPeer } from '../peers/peer.ts';
import type { Range } from './statistics.ts';

/** One family of rows of the table (P1, P2, …): what it measures and against what. Each lives in its own file of `rows/`. */
export interface RowFamily {
  /** As in the table of targets: `P1` … `P11`. */
  readonly id: string;
  /** One line for the progress report and `--help`. */
  readonly title: string;
  measure(field: Field): Promise<readonly Line[]>;
}

/** What a family is given: the machine's layout, the peers that run, and how much time it has. */
export interface Field {
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
  /** `bench:quick`: fewer sizes, smaller counts; the figures are for orientation. */
  readonly quick: boolean;
  readonly scratch: string;
  /** Core of the serving thread. */
  readonly core: number;
  /** Core of everything else. */
  readonly otherCore: number;
  /** nginx with a fixed answer. */
  readonly upstreamUrl: string;
  /** Ringside as users run it, one worker; already running, shared by all families that do not change it. */
  readonly ringside: StartedPeer;
  /** The peers that were asked for and could be started, in the order asked for. */
  readonly peers: readonly { readonly name: string; readonly started: StartedPeer }[];
  /** A line of progress. */
  say(line: string): void;
  /** A remark that goes into the report, under the table. */
  note(line: string): void;
}

/** One line of the table. */
export interface Line {
  /** `P1`, `P3` … */
  readonly row: string;
  /** What was measured, with its conditions: "100 KB prompt, 16 connections". */
  readonly what: string;
  readonly unit: 'req/s' | 'streams/s' | 'rows/s' | 'ms' | 'MB' | '×' | '%';
  /** Ours; null: the capability does not exist yet, or it could not be measured (`remark` says which). */
  readonly ours: number | null;
  readonly peer: { readonly name: string; readonly value: number } | null;
  /** What is compared with the target: ours / theirs, or an absolute figure; null: none. */
  readonly compared: number | null;
  /** As in performance.md, e.g. { atLeast: 15 } or { atMost: 0.12 }. */
  readonly target: { readonly atLeast: number } | { readonly atMost: number } | null;
  /** "not yet: overload shedding", spread over the rounds, … */
  readonly remark?: string;
  /** Smallest and largest figure of the rounds, for the JSON. */
  readonly spread?: { readonly ours: Range; readonly peer?: Range };
}
