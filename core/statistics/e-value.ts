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

/**
 * The evidence of several phases together. Each phase's e-value starts anew from 1 given all that was before, so that their
 * product is an e-value again. Only of phases that count units of their own: a unit that is counted again in its old arm brings
 * the chance of its assignment a second time.
 */
export function multiplyEValues(eValues: readonly EValue[]): EValue {
  return eValueOf(eValues.reduce((sum, { logEValue }) => sum + logEValue, 0));
}
