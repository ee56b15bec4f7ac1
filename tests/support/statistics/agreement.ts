import { expect } from 'vitest';
import * as independent from './independent.ts';
import { SeededRandom } from './random.ts';

export const INPUTS = 10_000;

/** The worst relative difference of many pairs, and the input that it came from. */
export class Agreement {
  #worst = 0;
  #input = '';

  /** @param scale a difference counts as a share of this, where the numbers themselves may be next to 0 by cancellation */
  compare(name: string, ours: number, theirs: number, input: unknown, scale = 0): void {
    const size = Math.max(Math.abs(ours), Math.abs(theirs), scale);
    const difference = ours === theirs ? 0 : Math.abs(ours - theirs) / size;
    if (difference <= this.#worst) return;
    this.#worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    this.#input = `${name}: ${ours}, not ${theirs}, of ${JSON.stringify(input)}`;
  }

  expectWithin(tolerance: number): void {
    expect(this.#worst, this.#input).toBeLessThanOrEqual(tolerance);
  }
}

/** Runs a comparison on so many inputs. */
export function agree(
  seed: number,
  each: (random: SeededRandom, agreement: Agreement) => void,
  tolerance = 1e-8,
): void {
  const random = new SeededRandom(seed);
  const agreement = new Agreement();
  for (let input = 0; input < INPUTS; input++) each(random, agreement);
  agreement.expectWithin(tolerance);
}

/** The answer, which is of this kind; else the test fails. */
export function of<T extends { readonly kind: string }, K extends T['kind']>(
  kind: K,
  result: T,
): Extract<T, { kind: K }> {
  if (result.kind !== kind) throw new Error(`expected ${kind}: ${JSON.stringify(result)}`);
  return result as Extract<T, { kind: K }>;
}

/** How an estimate is made. */
export const options = (random: SeededRandom) => ({
  alpha: random.magnitude(1e-4, 0.2),
  plannedN: random.integer(200, 100_000),
  sided: random.pick(['two', 'one'] as const),
});

/** An estimate from its effect and standard error, by the independent sequence. */
export function compareEstimate(
  agreement: Agreement,
  ours: { effect: number; standardError: number; lower: number; upper: number; pValue: number; n: number },
  theirs: { effect: number; variance: number },
  { alpha, plannedN, sided }: ReturnType<typeof options>,
): void {
  const { effect, variance } = theirs;
  const standardError = Math.sqrt(variance);
  const ofRho = independent.rho(sided === 'two' ? alpha : 2 * alpha, plannedN);
  const z = effect / standardError;
  const width =
    standardError *
    (sided === 'two'
      ? independent.halfWidthInErrors(ours.n, ofRho, alpha)
      : independent.oneSidedWidthInErrors(ours.n, ofRho, alpha));
  const p =
    sided === 'two'
      ? Math.min(1, Math.exp(-independent.logNormalMixture(z, ours.n, ofRho)))
      : independent.oneSidedP(z, ours.n, ofRho);
  const input = { ...theirs, alpha, plannedN, sided, n: ours.n };
  agreement.compare('effect', ours.effect, effect, input, standardError / 10);
  agreement.compare('standardError', ours.standardError, standardError, input);
  agreement.compare('lower', ours.lower, effect - width, input, width);
  agreement.compare('upper', ours.upper, effect + width, input, width);
  agreement.compare('pValue', ours.pValue, p, input, 1e-280);
}
