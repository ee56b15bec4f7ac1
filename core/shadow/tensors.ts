import { rankCorrelation } from './rank-correlation.ts';
import { stabilityIndex } from './stability-index.ts';

/** An output of a model that speaks the Open Inference Protocol, its numbers in row-major order. */
export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** How a shadow's output differs from the original's, shadow minus original. Null: cannot be said of these values. */
export interface TensorDifference {
  readonly name: string;
  /** Nothing else is compared where shapes differ. */
  readonly sameShape: boolean;
  readonly meanAbsolute: number | null;
  /** Mean of |difference| / |original|, of the values whose original is not 0. */
  readonly meanRelative: number | null;
  readonly maxAbsolute: number | null;
  readonly rankCorrelation: number | null;
  readonly stabilityIndex: number | null;
  readonly originalMean: number | null;
  readonly shadowMean: number | null;
}

/** Outputs that are compared of one answer, and numbers of one: a classifier has a few, an image has too many to rank. */
const MAX_TENSORS = 8;
const MAX_VALUES = 65_536;
/** Deeper than any tensor that servers take. */
const MAX_RANK = 32;
/** A server may name its outputs as it likes; the store takes no NUL, and nobody reads a page of name. */
const MAX_NAME = 64;

/** The numeric outputs of an answer, the first eight; text (`BYTES`) has no differences. Null when it is no answer of the protocol. */
export function readTensors(answer: unknown): Tensor[] | null {
  const { outputs } = (answer ?? {}) as { outputs?: unknown };
  if (!Array.isArray(outputs)) return null;
  return outputs.flatMap((output: unknown) => readTensor(output) ?? []).slice(0, MAX_TENSORS);
}

function readTensor(output: unknown): Tensor | null {
  const { name, shape, data } = (output ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string' || !Array.isArray(data)) return null;
  const dimensions = Array.isArray(shape) ? shape.map(Number) : [];
  const values: number[] = [];
  return flatten(data, values, 0) && values.length > 0 ? { name: cleanName(name), shape: dimensions, values } : null;
}

function cleanName(name: string): string {
  return name
    .replaceAll(/\p{Cc}/gu, '')
    .slice(0, MAX_NAME)
    .toWellFormed();
}

/** Data comes flat or nested like its shape. False when something in it is no number, or there is too much of it. */
function flatten(data: readonly unknown[], into: number[], depth: number): boolean {
  if (depth >= MAX_RANK) return false;
  return data.every((item) => {
    if (Array.isArray(item)) return flatten(item, into, depth + 1);
    const value = typeof item === 'boolean' ? Number(item) : item;
    if (typeof value !== 'number' || !Number.isFinite(value) || into.length === MAX_VALUES) return false;
    into.push(value);
    return true;
  });
}

/** Compares outputs of the same name, in the original's order. One that only one side has lacks in the other: its shape differs. */
export function compareTensors(original: readonly Tensor[], shadow: readonly Tensor[]): TensorDifference[] {
  const names = [...new Set([...original, ...shadow].map(({ name }) => name))];
  return names.map((name) => {
    const [a, b] = [original, shadow].map((tensors) => tensors.find((tensor) => tensor.name === name));
    return a === undefined || b === undefined || !isSameShape(a, b) ? otherShape(name, a, b) : difference(a, b);
  });
}

function isSameShape(a: Tensor, b: Tensor): boolean {
  return a.values.length === b.values.length && a.shape.join() === b.shape.join();
}

function otherShape(name: string, a: Tensor | undefined, b: Tensor | undefined): TensorDifference {
  const nothing = { meanAbsolute: null, meanRelative: null, maxAbsolute: null, rankCorrelation: null };
  const [originalMean, shadowMean] = [a, b].map((tensor) => (tensor === undefined ? null : meanOf(tensor.values)));
  return {
    ...{ name, sameShape: false, ...nothing, stabilityIndex: null },
    ...{ originalMean: originalMean ?? null, shadowMean: shadowMean ?? null },
  };
}

function difference({ name, values: a }: Tensor, { values: b }: Tensor): TensorDifference {
  const absolute = a.map((value, at) => Math.abs(b[at]! - value));
  const relative = absolute.flatMap((value, at) => (a[at] === 0 ? [] : [value / Math.abs(a[at]!)]));
  return {
    name,
    sameShape: true,
    meanAbsolute: meanOf(absolute),
    meanRelative: meanOf(relative),
    maxAbsolute: finite(absolute.reduce((most, value) => Math.max(most, value), 0)),
    rankCorrelation: rankCorrelation(a, b),
    stabilityIndex: stabilityIndex(a, b),
    originalMean: meanOf(a),
    shadowMean: meanOf(b),
  };
}

/** Null of nothing, and where numbers are so large that their sum is none. */
function meanOf(values: readonly number[]): number | null {
  return finite(values.reduce((sum, value) => sum + value, 0) / values.length);
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
