import { nameOf } from './results-page.ts';
import type { SoakSample, SoakVerdict } from './soak-samples.ts';
import { rangeOf } from './statistics.ts';

/** One soak, as its JSON has it. */
export interface SoakReport {
  readonly at: string;
  readonly command: string;
  readonly machine: string;
  readonly kernel: string;
  readonly commit: string;
  readonly load: string;
  /** What became of the requests, in sentences. */
  readonly outcome: readonly string[];
  readonly verdict: SoakVerdict;
  readonly samples: readonly SoakSample[];
}

/** The file name of its figures and picture, without extension. */
export function soakNameOf(report: Pick<SoakReport, 'at'>): string {
  return `${nameOf(report)}-soak`;
}

/** A soak as a section of RESULTS.md. */
export function renderSoakSection(report: SoakReport): string {
  const { verdict, samples } = report;
  const name = soakNameOf(report);
  const minutes = (samples.at(-1)?.atS ?? 0) / 60;
  const quarter = rangeOf(samples.slice(Math.floor(samples.length * 0.75)).map(({ residentMb }) => residentMb));
  return [
    `## ${report.at.slice(0, 16).replace('T', ' ')} UTC: soak`,
    `${report.machine}, Linux ${report.kernel}, commit ${report.commit}`,
    `\`${report.command}\`, ${minutes.toFixed(0)} min of ${report.load}; [figures](results/${name}.json), [memory and lag over time](results/${name}.svg)`,
    [
      ...report.outcome,
      `Resident memory: ${verdict.lastResidentMb.toFixed(0)} MB at the end; slope over the second half ${verdict.residentMbPerHour.toFixed(1)} MB/hour; last quarter between ${quarter.map((mb) => mb.toFixed(0)).join(' and ')} MB.`,
      `Largest event-loop lag p99 of an interval ${verdict.worstLoopLagP99Ms.toFixed(1)} ms; largest backlog ${verdict.worstBacklogMb.toFixed(0)} MB.`,
    ]
      .map((line) => `- ${line}`)
      .join('\n'),
  ].join('\n\n');
}
