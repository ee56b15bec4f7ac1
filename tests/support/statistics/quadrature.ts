/**
 * Integrals of log-concave functions by Gauss–Legendre quadrature, in logarithms: an algorithm that shares nothing with the
 * continued fractions and series that are tested by it.
 */
const NODES = gaussLegendre(20);
/** What is smaller than the maximum by e⁻⁴⁵ adds nothing to a double. */
const DROP = 45;

/**
 * ln ∫ exp(log f) over [from, to]; `log` is concave and finite inside; both ends are finite. Tails that are long beside the
 * peak want more panels.
 */
export function logIntegral(log: (x: number) => number, from: number, to: number, panels = 6): number {
  const peak = maximum(log, from, to);
  const top = log(peak);
  const low = edge(log, peak, from, top - DROP);
  const high = edge(log, peak, to, top - DROP);
  let sum = 0;
  for (const [a, b] of [
    [low, peak],
    [peak, high],
  ] as const) {
    const width = (b - a) / panels;
    for (let panel = 0; panel < panels; panel++) {
      const middle = a + width * (panel + 0.5);
      for (const [node, weight] of NODES)
        sum += ((weight * width) / 2) * Math.exp(log(middle + (node * width) / 2) - top);
    }
  }
  return top + Math.log(sum);
}

/** Golden-section search; where exactly the peak lies does not matter to the integral. */
function maximum(log: (x: number) => number, from: number, to: number): number {
  const golden = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [from, to];
  let [c, d] = [b - golden * (b - a), a + golden * (b - a)];
  let [atC, atD] = [log(c), log(d)];
  for (let step = 0; step < 50 && b > a; step++) {
    if (atC >= atD) {
      [b, d, atD] = [d, c, atC];
      c = b - golden * (b - a);
      atC = log(c);
    } else {
      [a, c, atC] = [c, d, atD];
      d = a + golden * (b - a);
      atD = log(d);
    }
  }
  return [from, to, (a + b) / 2].reduce((best, x) => (log(x) > log(best) ? x : best));
}

/** Between the peak and an end, where the function has dropped to `level`; the end, when it never does. */
function edge(log: (x: number) => number, peak: number, end: number, level: number): number {
  if (log(end) >= level) return end;
  let [inside, outside] = [peak, end];
  for (let step = 0; step < 40; step++) {
    const middle = (inside + outside) / 2;
    if (log(middle) >= level) inside = middle;
    else outside = middle;
  }
  return outside;
}

/** Nodes on [−1, 1] with their weights: the roots of the Legendre polynomial, by Newton's method. */
function gaussLegendre(n: number): readonly (readonly [node: number, weight: number])[] {
  return Array.from({ length: n }, (_, i) => {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    let slope = 0;
    for (let step = 0; step < 50; step++) {
      let [before, now] = [1, x];
      for (let k = 2; k <= n; k++) [before, now] = [now, ((2 * k - 1) * x * now - (k - 1) * before) / k];
      slope = (n * (x * now - before)) / (x * x - 1);
      x -= now / slope;
    }
    return [x, 2 / ((1 - x * x) * slope * slope)] as const;
  });
}

/** The x between `from` and `to` where an increasing function becomes positive. */
export function rootOf(increasing: (x: number) => number, from: number, to: number): number {
  let [low, high] = [from, to];
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (increasing(middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
