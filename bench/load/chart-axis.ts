/** One axis of a chart. */
export interface Axis {
  readonly label: string;
  readonly scale: 'linear' | 'log';
}

/** An axis laid over the values that it must show. */
export interface LaidAxis {
  readonly ticks: readonly number[];
  /** 0 at the low end, 1 at the high one. */
  place(value: number): number;
}

/** A tick about so often. */
const LINEAR_TICKS = 6;

/** Lays an axis so that it begins and ends at a tick. A logarithmic one leaves out what is not above 0. */
export function layAxis(scale: Axis['scale'], values: readonly number[]): LaidAxis {
  const shown = values.filter((value) => Number.isFinite(value) && (scale === 'linear' || value > 0));
  return scale === 'log' ? layLog(shown) : layLinear(shown);
}

/** 1, 2 and 5 of each power of ten. */
function layLog(values: readonly number[]): LaidAxis {
  const [lowest, highest] = values.length === 0 ? [1, 10] : [Math.min(...values), Math.max(...values)];
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(lowest)); power <= Math.ceil(Math.log10(highest)); power++) {
    for (const digit of [1, 2, 5]) all.push(Number(`${digit}e${power}`));
  }
  const first = all.findLastIndex((tick) => tick <= lowest);
  const last = Math.max(
    first + 1,
    all.findIndex((tick) => tick >= highest),
  );
  const ticks = all.slice(first, last + 1);
  const [low, high] = [Math.log(ticks[0]!), Math.log(ticks.at(-1)!)];
  return { ticks, place: (value) => (Math.log(value) - low) / (high - low) };
}

function layLinear(values: readonly number[]): LaidAxis {
  const highest = Math.max(0, ...values);
  const lowest = Math.min(0, ...values);
  const rough = (highest - lowest || 1) / LINEAR_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((candidate) => candidate >= rough)!;
  const first = Math.floor(lowest / step);
  const last = Math.max(first + 1, Math.ceil(highest / step));
  const ticks = Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
  const [low, high] = [ticks[0]!, ticks.at(-1)!];
  return { ticks, place: (value) => (value - low) / (high - low) };
}
