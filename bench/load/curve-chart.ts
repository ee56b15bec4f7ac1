import { renderChart, type Series } from './chart.ts';
import type { Report } from './results-page.ts';

/** Rate against latency of each gateway: p50 as a whole line, p99 as a broken one. */
export function renderCurves({ curves, at, machine, commit }: Report): string {
  const series = curves.flatMap(({ name, points }, color): Series[] => [
    { name: `${name} p50`, color, dashed: false, points: points.map(({ requestsPerS: x, p50Ms: y }) => ({ x, y })) },
    { name: `${name} p99`, color, dashed: true, points: points.map(({ requestsPerS: x, p99Ms: y }) => ({ x, y })) },
  ]);
  return renderChart({
    title: 'Latency at 10 to 90 % of each gateway’s own peak rate',
    subtitle: `small chats on schedule, one core each; ${machine}, commit ${commit}, ${at.slice(0, 10)}`,
    x: { label: 'requests per second, as scheduled', scale: 'log' },
    y: { label: 'latency from the scheduled moment, ms', scale: 'log' },
    series,
  });
}
