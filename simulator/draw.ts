import type { Behaviour, Distribution, InjectedError } from './behaviour.ts';
import { drawNormal, type Random } from './random.ts';

/** Where an answer breaks off, and how. */
export type Cut =
  | { readonly kind: 'reset'; readonly afterTokens: number }
  | { readonly kind: 'stall'; readonly afterTokens: number }
  | { readonly kind: 'truncate' }
  /** The stream says itself that it failed. */
  | {
      readonly kind: 'error';
      readonly afterTokens: number;
      readonly status: number;
      readonly message: string | undefined;
    };

/** What becomes of one request. */
type Fate =
  | { readonly kind: 'reset-before-headers' }
  | { readonly kind: 'black-hole' }
  | { readonly kind: 'error'; readonly error: InjectedError }
  | { readonly kind: 'html' }
  | { readonly kind: 'answer'; readonly cut: Cut | undefined };

export interface Draw {
  readonly fate: Fate;
  readonly latencyMs: number;
  readonly firstTokenMs: number;
}

/**
 * Decides one request. Takes the same eight numbers in the same order whatever the behaviour says, so that changing
 * one rate leaves all other decisions of the sequence as they were.
 */
export function drawRequest(behaviour: Behaviour, random: Random): Draw {
  const beforeHeaders = random() < behaviour.resetBeforeHeadersRate;
  const blackHole = random() < behaviour.blackHoleRate;
  const error = pickError(behaviour.errors, random());
  const reset = random() < behaviour.resetRate;
  const latencyMs = drawMs(behaviour.latencyMs, random);
  const firstTokenMs = drawMs(behaviour.firstTokenMs, random);
  const fate: Fate = beforeHeaders
    ? { kind: 'reset-before-headers' }
    : blackHole
      ? { kind: 'black-hole' }
      : error
        ? { kind: 'error', error }
        : behaviour.htmlAnswer
          ? { kind: 'html' }
          : { kind: 'answer', cut: cutOf(behaviour, reset) };
  return { fate, latencyMs, firstTokenMs };
}

function cutOf(behaviour: Behaviour, reset: boolean): Cut | undefined {
  if (reset) return { kind: 'reset', afterTokens: behaviour.resetAfterTokens };
  if (behaviour.stallAfterTokens !== null) return { kind: 'stall', afterTokens: behaviour.stallAfterTokens };
  const { streamError } = behaviour;
  if (streamError !== null) return { kind: 'error', message: undefined, ...streamError };
  return behaviour.truncate ? { kind: 'truncate' } : undefined;
}

function pickError(errors: readonly InjectedError[], drawn: number): InjectedError | undefined {
  let threshold = 0;
  for (const error of errors) {
    threshold += error.rate;
    if (drawn < threshold) return error;
  }
  return undefined;
}

/** The normal distribution's 95th percentile: what lies between median and p95 of the logarithms, in sigmas. */
const Z_95 = 1.6448536269514722;

function drawMs(distribution: Distribution, random: Random): number {
  switch (distribution.kind) {
    case 'fixed':
      drawNormal(random);
      return distribution.ms;
    case 'uniform': {
      const share = random();
      random();
      return distribution.minMs + share * (distribution.maxMs - distribution.minMs);
    }
    case 'lognormal': {
      const sigma = Math.log(distribution.p95Ms / distribution.medianMs) / Z_95;
      return distribution.medianMs * Math.exp(sigma * drawNormal(random));
    }
  }
}
