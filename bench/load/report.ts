import { execFile } from 'node:child_process';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Measured {
  readonly requestsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Row {
  readonly id: string;
  readonly name: string;
  readonly metric: 'rate' | 'latency';
  readonly targets: Readonly<Record<string, string>>;
  /** Medians over the rounds, by peer; `direct` is the upstream without a gateway. */
  readonly results: Readonly<Record<string, Measured>>;
}

export interface Report {
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
  readonly notes: readonly string[];
  readonly command: string;
}

const FOLDER = join(import.meta.dirname, '..');

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export async function describeMachine(): Promise<string> {
  const commit = (await promisify(execFile)('git', ['rev-parse', '--short', 'HEAD'])).stdout.trim();
  const changed =
    (await promisify(execFile)('git', ['status', '--porcelain', '--untracked-files=no'])).stdout.trim() === ''
      ? ''
      : ' with changes';
  const memory = /MemTotal:\s+(\d+) kB/.exec(await readFile('/proc/meminfo', 'utf8'));
  return `${cpus().length} × ${cpus()[0]!.model}, ${Math.round(Number(memory?.[1]) / 1_048_576)} GiB, Node ${process.versions.node}, commit ${commit}${changed}`;
}

/** Prints the table, appends it to RESULTS.md and writes the figures as JSON beside it. */
export async function writeReport(report: Report, say: (line: string) => void): Promise<void> {
  const at = new Date().toISOString();
  const table = renderTable(report);
  const text = `\n## ${at.slice(0, 16)}Z\n\n${report.machine}\n\n\`${report.command}\`, medians of alternating rounds; ${Object.entries(
    report.versions,
  )
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')}\n\n${table}\n${report.notes.map((note) => `- ${note}\n`).join('')}`;
  say(text);
  await appendFile(join(FOLDER, 'RESULTS.md'), text);
  await mkdir(join(FOLDER, 'results'), { recursive: true });
  await writeFile(
    join(FOLDER, 'results', `${at.slice(0, 16).replace(':', '')}.json`),
    `${JSON.stringify({ at, ...report }, null, 2)}\n`,
  );
}

function renderTable(report: Report): string {
  const lines = ['| row | what | Ringside | peer | ratio | target |', '| --- | --- | --- | --- | --- | --- |'];
  for (const row of report.rows) {
    const ours = row.results['ringside']!;
    const direct = row.results['direct'];
    for (const [peer, theirs] of Object.entries(row.results)) {
      if (peer === 'ringside' || peer === 'direct') continue;
      const target = row.targets[peer] ?? '–';
      if (row.metric === 'rate') {
        const ratio = (ours.requestsPerS / theirs.requestsPerS).toFixed(2);
        lines.push(
          `| ${row.id} | ${row.name} | ${ours.requestsPerS.toFixed(0)} req/s | ${peer} ${theirs.requestsPerS.toFixed(0)} req/s | ${ratio} × | ${target} |`,
        );
      } else {
        const added = (measured: Measured) => measured.p50Ms - direct!.p50Ms;
        const ratio = (added(ours) / added(theirs)).toFixed(2);
        lines.push(
          `| ${row.id} | ${row.name}, added p50 | ${added(ours).toFixed(3)} ms | ${peer} ${added(theirs).toFixed(3)} ms | ${ratio} × | ${target} |`,
        );
      }
    }
  }
  return lines.join('\n');
}
