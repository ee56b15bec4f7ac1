import { type Axis, type LaidAxis, layAxis } from './chart-axis.ts';

/** A line chart. */
export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

export interface Series {
  readonly name: string;
  /** Lines of one colour belong together. */
  readonly color: number;
  readonly dashed: boolean;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

const SIZE = { width: 860, height: 520 } as const;
const PLOT = { left: 80, top: 70, right: 670, bottom: 450 } as const;
const LEGEND = { left: 690, top: 82, lineHeight: 22 } as const;
/** Told apart on white and on black, also by those who see red and green as one. */
const COLORS = 6;
const STYLE = `
  svg { font: 13px system-ui, sans-serif; }
  .ground { fill: #ffffff; } text { fill: #1f2328; } .faint { fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; } .frame { stroke: #59636e; stroke-width: 1; fill: none; }
  .line { fill: none; stroke-width: 2; } .dashed { stroke-dasharray: 6 4; }
  .c0 { --c: #0969da; } .c1 { --c: #bc4c00; } .c2 { --c: #1a7f37; } .c3 { --c: #8250df; } .c4 { --c: #9a6700; } .c5 { --c: #cf222e; }
  .line { stroke: var(--c); } .dot { fill: var(--c); }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } text { fill: #e6edf3; } .faint { fill: #9198a1; }
    .grid { stroke: #30363d; } .frame { stroke: #9198a1; }
    .c0 { --c: #58a6ff; } .c1 { --c: #f0883e; } .c2 { --c: #3fb950; } .c3 { --c: #bc8cff; } .c4 { --c: #d29922; } .c5 { --c: #ff7b72; }
  }
`;

/** Draws the chart as an SVG that stands by itself and follows the reader's light or dark setting. */
export function renderChart(chart: Chart): string {
  const points = chart.series.flatMap((series) => series.points);
  const xAxis = layAxis(
    chart.x.scale,
    points.map(({ x }) => x),
  );
  const yAxis = layAxis(
    chart.y.scale,
    points.map(({ y }) => y),
  );
  const { width, height } = SIZE;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escapeXml(chart.title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="${width}" height="${height}"/>`,
    text(PLOT.left, 30, chart.title, 'font-size="18" font-weight="600"'),
    text(PLOT.left, 52, chart.subtitle, 'class="faint" font-size="12"'),
    ...drawGrid(xAxis, yAxis),
    text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 45, chart.x.label, 'text-anchor="middle"'),
    `<g transform="translate(22 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)">${text(0, 0, chart.y.label, 'text-anchor="middle"')}</g>`,
    ...chart.series.flatMap((series) => drawSeries(series, chart, xAxis, yAxis)),
    ...chart.series.flatMap(drawLegend),
    '</svg>',
  ].join('\n')}\n`;
}

const acrossOf = (axis: LaidAxis, value: number) => round(PLOT.left + axis.place(value) * (PLOT.right - PLOT.left));
const downOf = (axis: LaidAxis, value: number) => round(PLOT.bottom - axis.place(value) * (PLOT.bottom - PLOT.top));

function drawGrid(xAxis: LaidAxis, yAxis: LaidAxis): string[] {
  const { left, top, right, bottom } = PLOT;
  return [
    ...xAxis.ticks.flatMap((tick) => {
      const x = acrossOf(xAxis, tick);
      return [
        `<line class="grid" x1="${x}" y1="${top}" x2="${x}" y2="${bottom}"/>`,
        text(x, bottom + 20, tickLabel(tick), 'class="faint" text-anchor="middle" font-size="12"'),
      ];
    }),
    ...yAxis.ticks.flatMap((tick) => {
      const y = downOf(yAxis, tick);
      return [
        `<line class="grid" x1="${left}" y1="${y}" x2="${right}" y2="${y}"/>`,
        text(left - 8, y + 4, tickLabel(tick), 'class="faint" text-anchor="end" font-size="12"'),
      ];
    }),
    `<rect class="frame" x="${left}" y="${top}" width="${right - left}" height="${bottom - top}"/>`,
  ];
}

function drawSeries({ color, dashed, points }: Series, { x, y }: Chart, xAxis: LaidAxis, yAxis: LaidAxis): string[] {
  const shown = points.filter(
    (point) =>
      Number.isFinite(point.y) && (x.scale === 'linear' || point.x > 0) && (y.scale === 'linear' || point.y > 0),
  );
  const places = shown.map((point) => [acrossOf(xAxis, point.x), downOf(yAxis, point.y)] as const);
  if (places.length === 0) return [];
  const path = places.map(([across, down]) => `${across},${down}`).join(' ');
  // Of many points the line is enough.
  const dots =
    places.length > 30 ? [] : places.map(([across, down]) => `<circle class="dot" cx="${across}" cy="${down}" r="3"/>`);
  return [
    `<g class="c${color % COLORS}"><polyline class="line${dashed ? ' dashed' : ''}" points="${path}"/>${dots.join('')}</g>`,
  ];
}

function drawLegend({ name, color, dashed }: Series, index: number): string[] {
  const y = LEGEND.top + index * LEGEND.lineHeight;
  const { left } = LEGEND;
  return [
    `<g class="c${color % COLORS}"><line class="line${dashed ? ' dashed' : ''}" x1="${left}" y1="${y}" x2="${left + 30}" y2="${y}"/></g>`,
    text(left + 38, y + 4, name),
  ];
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escapeXml(content)}</text>`;
}

function tickLabel(value: number): string {
  return value >= 1000 ? `${value / 1000}k` : String(value);
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
