import type { MetricResult } from './look.ts';

const DIGITS = 3;

/** Three digits that mean something: 1.23, 0.000123, 12 300. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const magnitude = Math.abs(value);
  if (magnitude >= 1000)
    return value
      .toFixed(0)
      .replace('-', '−')
      .replace(/\B(?=(\d{3})+$)/g, ' ');
  return String(Number(value.toPrecision(DIGITS))).replace('-', '−');
}

/** A share as per cent. */
export function perCent(share: number): string {
  return `${figure(share * 100)} %`;
}

/** A time as people say it. */
export function durationFigure(ms: number): string {
  if (ms < 60_000) return `${figure(ms / 1_000)} s`;
  if (ms < 3_600_000) return `${figure(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${figure(ms / 3_600_000)} h` : `${figure(ms / 86_400_000)} days`;
}

/** A p-value or an e-value's threshold: small ones as powers of ten. */
export function probability(p: number): string {
  return p !== 0 && p < 0.0001 ? p.toExponential(1) : figure(p);
}

/** An effect or a margin in what its metric is measured in. */
export function effectFigure({ unit, relative }: Pick<MetricResult, 'unit' | 'relative'>, value: number): string {
  if (relative) return perCent(value);
  switch (unit) {
    case 'share':
      return `${figure(value * 100)} points`;
    case 'us':
      return `${figure(value / 1000)} ms`;
    case 'microUsd':
      return `${figure(value / 1_000_000)} USD`;
    case 'tokens':
      return `${figure(value)} tokens`;
    case null:
    case undefined:
      return figure(value);
    default:
      return unit satisfies never;
  }
}

/** "latency: +3.1 % (−0.4 % to +6.6 %)". */
export function effectSentence(result: MetricResult): string {
  if (result.method === 'none') return `${result.metric}: ${result.why}`;
  const signed = (value: number | null, open: string) =>
    value === null ? open : `${value > 0 ? '+' : ''}${effectFigure(result, value)}`;
  const interval = `${signed(result.lower, 'no lower bound')} to ${signed(result.upper, 'no upper bound')}`;
  const because = result.why === null ? '' : `; ${result.why}`;
  return `${result.metric}: ${signed(result.effect, 'no estimate')} against the champion (${interval}${because})`;
}
