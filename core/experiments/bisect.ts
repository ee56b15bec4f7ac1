/** Halvings that bring an interval of 60 below 1e-10. */
const HALVINGS = 40;

/** The end of the part of [low, high] in which `isBeyond` is false; it is true from there on. */
export function bisect(low: number, high: number, isBeyond: (x: number) => boolean): number {
  let from = low;
  let to = high;
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (from + to) / 2;
    if (isBeyond(middle)) to = middle;
    else from = middle;
  }
  return (from + to) / 2;
}
