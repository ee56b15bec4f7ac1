/** 28 random bits of an inference id that nothing else draws from: the choice of a deployment takes the last 32. */
const SPACE = 2 ** 28;
const BASIS_POINTS = 10_000;

/**
 * Whether an inference is among the `sampleBp` of 10 000 that are drawn: by the random bits of its id (UUIDv7 text), so that both of
 * its sides, its failure and whoever asks later decide alike.
 */
export function isSampled(inferenceId: string, sampleBp: number): boolean {
  const drawn = Number.parseInt(inferenceId.slice(20, 23) + inferenceId.slice(24, 28), 16);
  return drawn * BASIS_POINTS < sampleBp * SPACE;
}
