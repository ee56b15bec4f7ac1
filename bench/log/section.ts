import { nameOf } from '../load/results-page.ts';
import type { Measured } from './measure.ts';

/** One run of bench:log, as its JSON has it. */
export interface LogReport {
  readonly at: string;
  readonly command: string;
  readonly machine: string;
  readonly kernel: string;
  /** Of the minute before the end. */
  readonly loadAverage: number;
  readonly commit: string;
  readonly postgres: string;
  readonly rows: number;
  readonly groups: number;
  readonly days: number;
  readonly bodies: number;
  readonly partitions: number;
  readonly tableBytes: number;
  readonly indexBytes: Readonly<Record<string, number>>;
  readonly fillS: number;
  readonly closeS: number;
  readonly measured: readonly Measured[];
}

/** What the issue asks of every filter. */
export const TARGET_P95_MS = 100;

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;

/** The file name of its figures, without extension. */
export function logNameOf(report: Pick<LogReport, 'at'>): string {
  return `${nameOf(report)}-log`;
}

/** A run as a section of RESULTS.md. */
export function renderLogSection(report: LogReport): string {
  const missed = report.measured.filter(({ cpuP95Ms }) => cpuP95Ms > TARGET_P95_MS).length;
  const indexes = Object.entries(report.indexBytes).map(([name, bytes]) => `${name} ${gigabytes(bytes)}`);
  return [
    `## ${report.at.slice(0, 16).replace('T', ' ')} UTC: reading the log`,
    `${report.machine}, Linux ${report.kernel}, commit ${report.commit}, PostgreSQL ${report.postgres}`,
    `\`${report.command}\`; [figures](results/${logNameOf(report)}.json)`,
    `${report.rows} inferences of ${report.days} days in ${report.groups} groups of one organization (the busiest has 4.5 %), ${report.bodies} of them with bodies, ` +
      `${report.partitions} partitions. Rows and bodies ${gigabytes(report.tableBytes)}; indexes: ${indexes.join(', ')}. ` +
      `Filled in ${report.fillS.toFixed(0)} s, ended partitions indexed in ${report.closeS.toFixed(0)} s.`,
    `Pages of 50 through the control plane's own code as the role \`ringside_application\`, so under row-level security, on one connection; ` +
      `parameters drawn anew each time, groups by their traffic. Target: p95 ≤ ${TARGET_P95_MS} ms; missed by ${missed} of ${report.measured.length} by CPU time (server and client), which does not count who else used the machine: load average ${report.loadAverage.toFixed(1)} on its cores.`,
    [
      '| list | p50 | p95 | CPU p50 | CPU p95 | rows | met? |',
      '| --- | --- | --- | --- | --- | --- | --- |',
      ...report.measured.map(renderRow),
    ].join('\n'),
  ].join('\n\n');
}

function renderRow({ name, p50Ms, p95Ms, cpuP50Ms, cpuP95Ms, rows, refused, runs }: Measured): string {
  const note = refused === 0 ? '' : ` (${refused} of ${runs} ended at the time limit)`;
  const times = [p50Ms, p95Ms, cpuP50Ms, cpuP95Ms].map((ms) => `${ms.toFixed(1)} ms`).join(' | ');
  return `| ${name}${note} | ${times} | ${rows.toFixed(1)} | ${cpuP95Ms <= TARGET_P95_MS ? (p95Ms <= TARGET_P95_MS ? 'yes' : 'by CPU time') : 'no'} |`;
}
