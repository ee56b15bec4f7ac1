import type { FlatSums } from './experiment-sums.ts';

/** What a quotient has at least, in bits: more than a double. */
const QUOTIENT_BITS = 64;
const HEX_BITS = 4;

/**
 * Σ(S − Rn)² over units, R = ΣS/Σn, from sums as a database writes them: without rounding up to the last step. Of doubles nothing is left of it where
 * units differ by less than a millionth of their mean.
 *
 *     Σ(S − Rn)²  =  (ΣS²·(Σn)² − 2·ΣS·ΣSn·Σn + (ΣS)²·Σn²) / (Σn)²
 *
 * @param sums decimal numbers, Σn not 0
 */
export function squaredDeviations(sums: FlatSums): number {
  const { count, countSquares, sum, sumSquares, products } = sums;
  const texts = [count, countSquares, sum, sumSquares, products];
  const scale = Math.max(...texts.map((text) => fractionOf(text).length));
  const [n, nSquares, s, sSquares, sn] = texts.map((text) => wholeOf(text, scale)) as [
    ...[bigint, bigint, bigint],
    ...[bigint, bigint],
  ];
  const left = sSquares * n * n - 2n * s * sn * n + s * s * nSquares;
  return left <= 0n ? 0 : quotientOf(left, n * n * 10n ** BigInt(scale));
}

function fractionOf(text: string): string {
  return text.split('.')[1] ?? '';
}

/** In units of 10^−scale. */
function wholeOf(text: string, scale: number): bigint {
  const [whole = '', fraction = ''] = text.split('.');
  return BigInt(whole + fraction.padEnd(scale, '0'));
}

/** Of two numbers above 0, of any size. */
function quotientOf(dividend: bigint, divisor: bigint): number {
  const bitsOf = (value: bigint) => value.toString(16).length * HEX_BITS;
  const shift = Math.max(0, QUOTIENT_BITS + HEX_BITS + bitsOf(divisor) - bitsOf(dividend));
  return Number((dividend << BigInt(shift)) / divisor) * 2 ** -shift;
}
