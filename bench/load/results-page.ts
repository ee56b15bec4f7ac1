import type { Curve } from './curve.ts';
import { shortNumber } from './lines.ts';
import type { Line } from './row.ts';
import { verdictOf } from './verdict.ts';

/** One run of the benchmark, as its JSON has it. */
export interface Report {
  readonly at: string;
  readonly command: string;
  readonly machine: string;
  readonly kernel: string;
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
  /** Layout and conditions, a sentence each. */
  readonly conditions: readonly string[];
  readonly quick: boolean;
  readonly durationS: number;
  readonly lines: readonly Line[];
  readonly curves: readonly Curve[];
  readonly notes: readonly string[];
}

export const RESULTS_HEADING = `# Results

Runs of \`npm run bench\` and \`npm run bench:soak\`, the newest first; [README.md](README.md) says what a row measures and how to repeat it. Figures
of different runs or machines do not compare: only what stands in one table was measured in turns. "compared" is
Ringside divided by the peer, or Ringside's own figure where there is no peer; "met?" sets it against the target. "not
yet" is what Ringside does not do so far. Each run has its figures as JSON and its latency curve as a picture.
`;

/** `2026-11-21T0442` */
export function nameOf({ at }: Pick<Report, 'at'>): string {
  return at.slice(0, 16).replace(':', '');
}

/** One run as a section of RESULTS.md. */
export function renderSection(report: Report): string {
  const versions = Object.entries(report.versions).map(([name, version]) => `${name} ${version}`);
  const name = nameOf(report);
  const links = [`[figures](results/${name}.json)`];
  if (report.curves.length > 0) links.push(`[rate against latency](results/${name}.svg)`);
  return [
    `## ${report.at.slice(0, 16).replace('T', ' ')} UTC`,
    report.quick ? '**A quick run: for orientation, not for quoting.**' : null,
    `${report.machine}, Linux ${report.kernel}, commit ${report.commit}; ${versions.join(', ')}`,
    `\`${report.command}\`, ${Math.round(report.durationS / 60)} min; ${links.join(', ')}`,
    report.conditions.join(' '),
    renderTable(report.lines),
    report.notes.length === 0 ? null : report.notes.map((note) => `- ${oneLine(note)}`).join('\n'),
  ]
    .filter((part) => part !== null)
    .join('\n\n');
}

/** Puts a section above the older ones; what stands before the first section is the heading, and written anew. */
export function insertSection(page: string, section: string): string {
  const first = page.search(/^## /m);
  const older = first === -1 ? '' : page.slice(first).trimEnd();
  return `${[RESULTS_HEADING.trimEnd(), section.trimEnd(), older].filter((part) => part !== '').join('\n\n')}\n`;
}

const HEAD = [
  '| row | what | Ringside | peer | compared | target | met? |',
  '| --- | --- | --- | --- | --- | --- | --- |',
];

function renderTable(lines: readonly Line[]): string {
  return [...HEAD, ...lines.map(renderLine)].join('\n');
}

function renderLine(line: Line): string {
  const { row, what, unit, ours, peer, compared, target, remark } = line;
  // A peer may stand beside a figure that is set against its target by itself.
  const isRatio = peer !== null && compared !== ours;
  const cells = [
    row,
    remark === undefined ? what : `${what} — ${remark}`,
    figure(ours, unit),
    peer === null ? '–' : `${peer.name} ${figure(peer.value, unit)}`,
    figure(compared, isRatio ? '×' : unit),
    target === null ? '–' : 'atLeast' in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`,
    verdictOf(line),
  ];
  return `| ${cells.map((cell) => oneLine(cell).replaceAll('|', '\\|')).join(' | ')} |`;
}

function figure(value: number | null, unit: Line['unit']): string {
  return value === null || !Number.isFinite(value) ? '–' : `${shortNumber(value)} ${unit}`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
