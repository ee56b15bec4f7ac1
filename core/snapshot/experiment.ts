import type { Metadata } from '#core/metadata.ts';
import type { BucketRange } from '#core/split/ranges.ts';
import type { SnapshotExperiment, SnapshotGroup } from './schema.ts';

/** The experiment that a group's inferences count in, ready to look buckets up in. Frozen after compile. */
export interface CompiledExperiment {
  readonly id: string;
  readonly phase: number;
  readonly correlationKey: string | null;
  /** Of the ranges that count, in ascending order: `[starts[i], ends[i])` counts in `arms[i]`. */
  readonly starts: Uint16Array;
  readonly ends: Uint16Array;
  readonly arms: Uint16Array;
}

/**
 * Compiles the experiment of a group. Pure.
 * @throws TypeError in one sentence, when an arm counts buckets that its variant does not own, or two arms count the same
 */
export function compileExperiment(
  experiment: SnapshotExperiment,
  variants: SnapshotGroup['variants'],
): CompiledExperiment {
  const at = `experiment ${experiment.id}`;
  const modelIds = experiment.arms.map(({ modelId }) => modelId);
  const counted = experiment.arms.flatMap(({ modelId, ranges }, arm) => {
    if (modelIds.indexOf(modelId) !== arm) throw new TypeError(`${at} has model ${modelId} in two arms; give it one`);
    const variant = variants.find((candidate) => candidate.modelId === modelId);
    if (variant === undefined) throw new TypeError(`${at}: arm ${arm} is model ${modelId}, which is no variant`);
    for (const range of ranges) {
      const stray = firstOutside(range, variant.ranges);
      if (stray !== null) {
        throw new TypeError(`${at}: arm ${arm} counts bucket ${stray}, which its variant does not own; take it out`);
      }
    }
    return ranges.map(([from, to]) => ({ from, to, arm }));
  });
  counted.sort((a, b) => a.from - b.from);
  let covered = 0;
  for (const { from, to } of counted) {
    if (from >= to) throw new TypeError(`${at}: [${from}, ${to}) is no range of buckets`);
    if (from < covered) throw new TypeError(`${at}: bucket ${from} counts twice; each bucket belongs to one arm`);
    covered = to;
  }
  return Object.freeze({
    id: experiment.id,
    phase: experiment.phase,
    correlationKey: experiment.correlationKey,
    starts: Uint16Array.from(counted, ({ from }) => from),
    ends: Uint16Array.from(counted, ({ to }) => to),
    arms: Uint16Array.from(counted, ({ arm }) => arm),
  });
}

/** The first bucket of a range that none of `owned` holds; null: all of it is held. */
function firstOutside([from, to]: BucketRange, owned: readonly BucketRange[]): number | null {
  let reached = from;
  for (const [start, end] of owned.toSorted((a, b) => a[0] - b[0])) {
    if (start <= reached && reached < end) reached = end;
  }
  return reached < to ? reached : null;
}

/** The arm that a bucket counts in; null: in none. */
export function armOf({ starts, ends, arms }: CompiledExperiment, bucket: number): number | null {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle]! > bucket) high = middle;
    else low = middle + 1;
  }
  return low < ends.length && starts[low]! <= bucket ? arms[low]! : null;
}

/** Where an inference counts. `correlation`: what its metadata has under the experiment's key. */
interface CountedPlace {
  readonly id: string;
  readonly phase: number;
  readonly arm: number;
  readonly correlation?: string;
}

const MAX_CORRELATION_CHARS = 256;

/**
 * Where an inference in this bucket counts; undefined: in no arm.
 * @param metadata what the caller said of it
 * @param kept the same as the group's policy keeps it
 */
// hot: once a request of a group with an experiment, a binary search over a few ranges and one object
export function placeIn(
  experiment: CompiledExperiment,
  bucket: number,
  metadata: Metadata | null,
  kept: Metadata | undefined,
): CountedPlace | undefined {
  const arm = armOf(experiment, bucket);
  if (arm === null) return undefined;
  const { id, phase, correlationKey } = experiment;
  const correlation = correlationKey === null ? null : correlationOf(correlationKey, metadata, kept);
  return correlation === null ? { id, phase, arm } : { id, phase, arm, correlation };
}

/** What the policy makes unreadable is not stored in another place, and its label would be that of many. */
function correlationOf(key: string, metadata: Metadata | null, kept: Metadata | undefined): string | null {
  if (metadata === null || kept === undefined || !Object.hasOwn(metadata, key)) return null;
  const value = metadata[key];
  if (kept[key] !== value || (typeof value !== 'string' && typeof value !== 'number')) return null;
  const text = String(value);
  return text !== '' && text.length <= MAX_CORRELATION_CHARS ? text : null;
}
