/**
 * Where an experiment's α goes, in one place (docs/decisions/0028). It is the chance that a challenger which is no better is declared so, at any
 * of all looks, and is spent once: what is given away below adds up to no more than what there was.
 *
 *     experiment          α
 *     ├ each challenger   α/k                     (`alphaOfChallenger`)
 *     │ ├ a mean          all of it: confidence sequence
 *     │ └ a rate          3/10 form for small counts, 7/10 confidence sequence   (`SMALL_COUNTS_PART`)
 *     │   └ each phase    4/5, 1/10, 1/30 …       (`partOfAlpha`; the sequence makes one effect of all phases and divides nothing)
 *     └ each side         one half; bounds and what they are made of: small-counts.ts
 *
 * Only the primary metric can declare "challenger better". Guardrails can only take that back, so each has as much as it without being
 * counted again: to be promoted wrongly a challenger must get past that guardrail which it truly violates. The alarms (split, fast guard)
 * have an α of their own, and can only stop.
 */

/** What each of `challengers` may spend. */
export function alphaOfChallenger(alpha: number, challengers: number): number {
  return alpha / challengers;
}

/**
 * Of a rate's α, the part of the form for small counts. Which form speaks depends on the counts themselves, so that both might err, and each
 * has a part of its own. 0.3 is a round number in a flat stretch: on absolute effects of rates from 0.2 to 30 % the mean delay of a decision is nearly
 * the same from 0.2 to 0.5 (docs/decisions/0028). Relative effects, of which both forms may speak at once, were no part of that mean.
 */
export const SMALL_COUNTS_PART = 0.3;

/** What a metric's two forms may spend; null: it has no such form. */
export interface FormAlphas {
  readonly smallCounts: number | null;
  readonly sequence: number;
}

export function formAlphas(kind: 'mean' | 'rate', alpha: number): FormAlphas {
  if (kind === 'mean') return { smallCounts: null, sequence: alpha };
  return { smallCounts: alpha * SMALL_COUNTS_PART, sequence: alpha * (1 - SMALL_COUNTS_PART) };
}
