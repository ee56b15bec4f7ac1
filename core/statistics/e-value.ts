/**
 * Evidence against a hypothesis: under it, the expectation of an e-value is at most 1 at any time of stopping, so that it
 * reaches 1/α with probability at most α, however often one looks (Ville's inequality).
 */
export interface EValue {
  /** At most the largest double; `logEValue` goes on beyond it. */
  readonly eValue: number;
  readonly logEValue: number;
  /** min(1, 1/e). */
  readonly pValue: number;
}

export function eValueOf(logEValue: number): EValue {
  return {
    eValue: Math.min(Number.MAX_VALUE, Math.exp(logEValue)),
    logEValue,
    pValue: logEValue <= 0 ? 1 : Math.exp(-logEValue),
  };
}
