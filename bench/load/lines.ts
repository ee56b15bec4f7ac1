import type { Line } from './row.ts';
import { median, type Range, rangeOf, relativeSpread } from './statistics.ts';

/** Beyond this the remark says how far the rounds lie apart. */
const NOTABLE_SPREAD = 0.15;

/** The figures of the rounds of one side; undefined: it could not be measured. */
export type Figures = readonly number[] | undefined;

export interface Measurement extends Pick<Line, 'row' | 'what' | 'unit' | 'target'> {
  readonly ours: Figures;
  readonly remark?: string;
}

/** A line that compares the medians of both sides: ours / theirs. */
export function ratioLine(measurement: Measurement, name: string, theirs: Figures): Line {
  const { ours, remark, ...line } = measurement;
  const ourMedian = medianOf(ours);
  const theirMedian = medianOf(theirs);
  return {
    ...line,
    ours: ourMedian,
    peer: theirMedian === null ? null : { name, value: theirMedian },
    compared: ourMedian === null || theirMedian === null || theirMedian <= 0 ? null : ourMedian / theirMedian,
    ...spreadOf(ours, theirs),
    ...remarkOf([
      remark,
      missing(ours, 'Ringside'),
      missing(theirs, name),
      apart(ours, 'ours'),
      apart(theirs, 'theirs'),
    ]),
  };
}

/** A line whose median is compared with the target as it is. `beside`: a peer's figure that is shown and not compared. */
export function absoluteLine(measurement: Measurement, beside: Line['peer'] = null): Line {
  const { ours, remark, ...line } = measurement;
  const value = medianOf(ours);
  return {
    ...line,
    ours: value,
    peer: beside,
    compared: line.target === null ? null : value,
    ...spreadOf(ours, undefined),
    ...remarkOf([remark, missing(ours, 'Ringside'), apart(ours, 'ours')]),
  };
}

/** A line for what cannot be measured: it does not exist yet, or its measurement failed. */
export function emptyLine(row: string, what: string, remark: string): Line {
  return { row, what, unit: '×', ours: null, peer: null, compared: null, target: null, remark };
}

function medianOf(figures: Figures): number | null {
  return figures === undefined || figures.length === 0 ? null : median(figures);
}

function missing(figures: Figures, name: string): string | undefined {
  return medianOf(figures) === null ? `${name} could not be measured` : undefined;
}

function apart(figures: Figures, whose: string): string | undefined {
  if (figures === undefined || figures.length < 2 || relativeSpread(figures) <= NOTABLE_SPREAD) return undefined;
  return `${whose} ${rangeOf(figures).map(shortNumber).join(' to ')}`;
}

function spreadOf(ours: Figures, theirs: Figures): Pick<Line, 'spread'> {
  const range = (figures: Figures): Range | undefined =>
    figures === undefined || figures.length === 0 ? undefined : rangeOf(figures);
  const own = range(ours);
  const peer = range(theirs);
  return own === undefined ? {} : { spread: { ours: own, ...(peer === undefined ? {} : { peer }) } };
}

function remarkOf(parts: readonly (string | undefined)[]): Pick<Line, 'remark'> {
  const said = parts.filter((part) => part !== undefined);
  return said.length === 0 ? {} : { remark: said.join('; ') };
}

/** As many digits as say something. */
export function shortNumber(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}
