import { describe, expect, test } from 'vitest';
import { renderChart } from '../../bench/load/chart.ts';
import { layAxis } from '../../bench/load/chart-axis.ts';
import { absoluteLine, emptyLine, ratioLine } from '../../bench/load/lines.ts';
import { OptionsError, parseOptions } from '../../bench/load/options.ts';
import { clock, createProgress } from '../../bench/load/progress.ts';
import { insertSection, RESULTS_HEADING, type Report, renderSection } from '../../bench/load/results-page.ts';
import { readSample, verdictOfSoak } from '../../bench/load/soak-samples.ts';
import { median, rangeOf, relativeSpread, slopeOf } from '../../bench/load/statistics.ts';
import { verdictOf } from '../../bench/load/verdict.ts';

const rate = { row: 'P1', what: 'small chat', unit: 'req/s', target: { atLeast: 0.3 } } as const;

describe('statistics', () => {
  test('median, range, spread, slope', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(() => median([])).toThrow(RangeError);
    expect(rangeOf([2, 9, 4])).toEqual([2, 9]);
    expect(relativeSpread([9, 10, 12])).toBeCloseTo(0.3);
    expect(slopeOf([0, 1, 2].map((x) => ({ x, y: 5 - 2 * x })))).toBeCloseTo(-2);
    expect(slopeOf([{ x: 1, y: 1 }])).toBe(0);
  });
});

describe('lines', () => {
  test('a ratio of medians, with the spread where it is wide', () => {
    const line = ratioLine({ ...rate, ours: [90, 100, 102] }, 'nginx', [200, 250, 300]);
    expect(line).toMatchObject({ ours: 100, peer: { name: 'nginx', value: 250 }, compared: 0.4 });
    expect(line.spread).toEqual({ ours: [90, 102], peer: [200, 300] });
    expect(line.remark).toBe('theirs 200 to 300');
    expect(verdictOf(line)).toBe('yes');
  });

  test('without a figure there is no comparison, and the remark says whose', () => {
    const line = ratioLine({ ...rate, ours: [1] }, 'litellm', undefined);
    expect(line).toMatchObject({ peer: null, compared: null, remark: 'litellm could not be measured' });
    expect(verdictOf(line)).toBe('–');
    // What a peer adds can come out below zero when it is lost in the noise: no ratio makes sense then.
    expect(ratioLine({ ...rate, ours: [1] }, 'nginx', [-0.1]).compared).toBeNull();
  });

  test('verdicts', () => {
    const added = { row: 'P2', what: 'added p50', unit: 'ms', target: { atMost: 0.15 } } as const;
    expect(verdictOf(absoluteLine({ ...added, ours: [0.15] }))).toBe('yes');
    expect(verdictOf(absoluteLine({ ...added, ours: [0.16] }))).toBe('no');
    expect(verdictOf(absoluteLine({ ...added, ours: [0.1], remark: 'not yet: this' }))).toBe('not yet');
    expect(verdictOf(emptyLine('P5', 'translated', 'not yet: translated dialects'))).toBe('not yet');
  });
});

describe('the page of results', () => {
  const report: Report = {
    ...{ at: '2026-01-02T03:04:05.678Z', command: 'npm run bench', machine: '2 × CPU', kernel: '6.1', commit: 'abc' },
    ...{ versions: { Node: '26' }, conditions: ['Logged.'], quick: false, durationS: 600, curves: [] },
    lines: [ratioLine({ ...rate, what: 'a | b', ours: [1234] }, 'nginx', [10_000])],
    notes: ['two\nlines'],
  };

  test('a section', () => {
    const section = renderSection(report);
    expect(section).toContain('## 2026-01-02 03:04 UTC');
    expect(section).toContain('| P1 | a \\| b | 1234 req/s | nginx 10000 req/s | 0.123 × | ≥ 0.3 | no |');
    expect(section).toContain('[figures](results/2026-01-02T0304.json)');
    expect(section).toContain('- two lines');
  });

  test('the newest section comes first, the heading stays one', () => {
    const page = insertSection(insertSection('old heading\n', '## one\n\ntext'), '## two\n');
    expect(page).toBe(`${RESULTS_HEADING}\n## two\n\n## one\n\ntext\n`);
  });
});

describe('charts', () => {
  test('axes begin and end at a tick', () => {
    expect(layAxis('log', [0, 0.3, 40]).ticks).toEqual([0.2, 0.5, 1, 2, 5, 10, 20, 50]);
    expect(layAxis('log', [5, 5]).ticks).toEqual([5, 10]);
    expect(layAxis('log', [0.1, 1_000]).ticks.at(-1)).toBe(1_000);
    expect(layAxis('linear', [0, 7, 60]).ticks).toEqual([0, 10, 20, 30, 40, 50, 60]);
    expect(layAxis('linear', []).ticks.length).toBeGreaterThan(1);
    const axis = layAxis('log', [1, 100]);
    expect([axis.place(1), axis.place(10), axis.place(100)]).toEqual([0, 0.5, 1]);
  });

  test('names are text, and what a scale cannot show is left out', () => {
    const svg = renderChart({
      ...{ title: 'a < b', subtitle: '', x: { label: 'x', scale: 'log' }, y: { label: 'y', scale: 'log' } },
      series: [{ name: 'A & B', color: 0, dashed: true, points: [1, 2].map((x) => ({ x, y: x - 1 })) }],
    });
    expect(svg).toContain('a &lt; b');
    expect(svg).toContain('A &amp; B');
    expect(svg.match(/<circle/g)).toHaveLength(1);
  });
});

describe('the soak', () => {
  const page =
    'ringside_event_loop_lag_p99_seconds{worker="0"} 0.002\nringside_event_loop_lag_p99_seconds{worker="1"} 0.004\nringside_errors_total{code="a"} 2\nringside_errors_total{code="b"} 3\nringside_log_backlog_bytes 5000000\nringside_heap_bytes{worker="0"} 1000000\nringside_heap_bytes{worker="1"} 2000000\n';

  test('a sample of the metrics page', () => {
    expect(readSample(7, 80e6, page)).toEqual({
      atS: 7,
      residentMb: 80,
      heapMb: 3,
      loopLagP99Ms: 4,
      backlogMb: 5,
      errors: 5,
    });
  });

  test('only the second half tells whether memory grows', () => {
    const samples = Array.from({ length: 121 }, (_, minute) => ({
      ...readSample(minute * 60, 0, page),
      residentMb: minute < 60 ? minute * 3 : 180 + (minute - 60) / 60,
    }));
    expect(verdictOfSoak(samples)).toMatchObject({ lastResidentMb: 181, worstLoopLagP99Ms: 4 });
    expect(verdictOfSoak(samples).residentMbPerHour).toBeCloseTo(1);
  });
});

describe('the command line', () => {
  test('defaults, quick, and a choice', () => {
    expect(parseOptions([])).toMatchObject({ only: null, rounds: 5, quick: false });
    expect(parseOptions(['--quick'])).toMatchObject({ rounds: 1, seconds: 1, peers: ['nginx', 'portkey'] });
    expect(parseOptions(['--only', 'p1,curve', '--peers', '']).only).toEqual(['P1', 'CURVE']);
    expect(() => parseOptions(['--only', 'P99'])).toThrow(OptionsError);
    expect(() => parseOptions(['--rounds', '0'])).toThrow(OptionsError);
  });

  test('progress', () => {
    let nowMs = 0;
    const said: string[] = [];
    const progress = createProgress(
      100,
      () => nowMs,
      (line) => said.push(line),
    );
    progress.begin('first', 60);
    nowMs = 30_000;
    progress.say('half of it');
    nowMs = 90_000;
    progress.say('late');
    expect(said).toEqual([
      '[0:00, about 1:40 to go] first',
      '[0:30, about 1:10 to go] half of it',
      '[1:30, about 0:40 to go] late',
    ]);
    expect(clock(247)).toBe('4:07');
  });
});
