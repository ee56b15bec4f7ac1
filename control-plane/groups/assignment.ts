import { armOf, compileExperiment } from '#core/snapshot/experiment.ts';
import { compileSplit, type Placement, place } from '#core/split/assign.ts';
import type { BucketRange } from '#core/split/ranges.ts';
import type { Role } from '#core/weights.ts';
import { findGroup } from '#store/groups.ts';
import type { InferenceRow } from '#store/inferences.ts';
import type { Tx } from '#store/pool.ts';
import { publishedGroup } from '#store/snapshot-group.ts';
import type { WeightVersionRow } from '#store/weight-versions.ts';
import type { ReadCall } from '../http/operation.ts';
import { invalid, notFound } from '../problem.ts';
import type { AssignmentQuery, AssignmentView } from './assignment-schemas.ts';

/** Where the newest configuration of a group assigns a unit, and why: the same functions on the same document as in a gateway. */
export async function showAssignment(
  tx: Tx,
  { organizationId, ref, query: { unit } }: ReadCall<AssignmentQuery>,
): Promise<AssignmentView> {
  const row = await findGroup(tx, organizationId, ref);
  const published = row === undefined ? undefined : await publishedGroup(tx, organizationId, row.id);
  if (published === undefined) throw notFound('group', ref);
  const { group, version, modelNames } = published;
  const split = splitOf(group.salt, group.hashVersion, group.variants);
  if (split === null) {
    throw invalid([{ field: 'name', message: 'is a group without variants, which assigns nothing yet; give it some' }]);
  }
  const { bucket, range, variant: index } = place(split, unit);
  const { modelId, role } = group.variants[index]!;
  const variant = modelNames[modelId] ?? modelId;
  const experiment = group.experiment === undefined ? null : compileExperiment(group.experiment, group.variants);
  const arm = experiment === null ? null : armOf(experiment, bucket);
  const counted = experiment === null || arm === null ? null : { id: experiment.id, phase: experiment.phase, arm };
  return {
    ...{ unit, bucket, hashVersion: group.hashVersion, range: { from: range[0], to: range[1] }, variant, role },
    ...{ phase: group.phase, experiment: counted, configVersion: version },
    explanation: explain({ bucket, range, variant, role, experiment: counted }, experiment?.id ?? null),
  };
}

interface Explained {
  readonly bucket: number;
  readonly range: BucketRange;
  readonly variant: string;
  readonly role: Role | null;
  readonly experiment: AssignmentView['experiment'];
}

/**
 * `bucket 4711 < 9000 → champion gpt-small`: the range that held the bucket, whose it is, and where it counts.
 * @param running the experiment that the group runs, where that is known
 */
export function explain({ bucket, range, variant, role, experiment }: Explained, running: string | null): string {
  const assigned = `${placeText(bucket, range)} → ${role === null ? variant : `${role} ${variant}`}`;
  if (experiment !== null) {
    const { id, phase, arm } = experiment;
    return `${assigned}; counts as arm ${arm} in phase ${phase} of experiment ${id}`;
  }
  return running === null ? assigned : `${assigned}; outside of the buckets that experiment ${running} compares`;
}

/** The same of a mirrored call. The bucket and its range are those of the inference that it mirrors: a shadow owns none. */
export function explainMirrored({ bucket, range, variant, role, experiment }: Explained, inferenceId: string): string {
  const mirrored = `mirrors inference ${inferenceId} (${placeText(bucket, range)}) at ${role ?? 'shadow'} ${variant}`;
  if (experiment === null) return mirrored;
  const { id, phase, arm } = experiment;
  return `${mirrored}; compared as arm ${arm} in phase ${phase} of experiment ${id}, and counted in no arm`;
}

function placeText(bucket: number, [from, to]: BucketRange): string {
  return `${from === 0 ? '' : `${from} ≤ `}bucket ${bucket} < ${to}`;
}

type Assigned = Pick<
  InferenceRow,
  'unit' | 'bucket' | 'range_from' | 'range_to' | 'hash_version' | 'assigned_variant' | 'shadow_of'
>;

/**
 * Whether a stored row's unit, put through the split that was in force, gives the row's assignment again; null when that split is not
 * known any more. A mirrored call has the place of the inference that it mirrors, and another variant.
 */
export function isReproduced(row: Assigned, split: WeightVersionRow | undefined): boolean | null {
  if (split === undefined) return null;
  const compiled = splitOf(split.salt, split.hash_version, split.variants);
  if (compiled === null || split.hash_version !== row.hash_version) return false;
  const { bucket, range, variant }: Placement = place(compiled, row.unit);
  const isPlace = bucket === row.bucket && range[0] === row.range_from && range[1] === row.range_to;
  return isPlace && (row.shadow_of !== null || split.variants[variant]!.model === row.assigned_variant);
}

function splitOf(salt: string, hashVersion: number, variants: readonly { readonly ranges: readonly BucketRange[] }[]) {
  const ranges = variants.map((variant) => variant.ranges);
  return ranges.every((own) => own.length === 0) ? null : compileSplit(salt, hashVersion, ranges);
}
