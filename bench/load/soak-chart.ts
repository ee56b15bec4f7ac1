import { renderChart } from './chart.ts';
import type { SoakSample, SoakVerdict } from './soak-samples.ts';

/** Memory, event-loop lag and backlog over time, in one chart: their numbers are of one size. */
export function renderSoak(report: {
  readonly load: string;
  readonly machine: string;
  readonly commit: string;
  readonly verdict: SoakVerdict;
  readonly samples: readonly SoakSample[];
}): string {
  const { samples, verdict } = report;
  const line = (name: string, color: number, value: (sample: SoakSample) => number) => ({
    ...{ name, color, dashed: false },
    points: samples.map((sample) => ({ x: sample.atS / 60, y: value(sample) })),
  });
  return renderChart({
    title: `Soak: ${verdict.residentMbPerHour.toFixed(1)} MB/hour in the second half`,
    subtitle: `${report.load}; ${report.machine}, commit ${report.commit}`,
    x: { label: 'minutes', scale: 'linear' },
    y: { label: 'MB or ms', scale: 'log' },
    series: [
      line('resident MB', 0, ({ residentMb }) => residentMb),
      line('heap MB', 3, ({ heapMb }) => heapMb),
      line('loop lag p99, ms', 1, ({ loopLagP99Ms }) => loopLagP99Ms),
      line('spool backlog MB', 2, ({ backlogMb }) => backlogMb),
    ],
  });
}
