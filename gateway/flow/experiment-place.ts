import type { Metadata } from '#core/metadata.ts';
import { armOf, type CompiledExperiment } from '#core/snapshot/experiment.ts';
import type { ExperimentPlace } from '#inference-log/record.ts';
import type { Exchange } from './ports.ts';

const MAX_CORRELATION_CHARS = 256;

/**
 * Where an inference counts in its group's experiment. Sessions never do: how long one lasts is the caller's choice.
 * @param kept the metadata as the group's policy keeps it
 */
// hot: without an experiment it is one comparison. With one: a binary search over a few ranges and one object, below a microsecond.
export function experimentPlace(exchange: Exchange, kept: Metadata | undefined): ExperimentPlace | undefined {
  const { group, placement } = exchange.assignment!;
  const { experiment } = group.group;
  if (experiment === null) return undefined;
  return exchange.operation === 'realtime' ? undefined : countedPlace(experiment, placement.bucket, exchange, kept);
}

function countedPlace(
  experiment: CompiledExperiment,
  bucket: number,
  { metadata }: Exchange,
  kept: Metadata | undefined,
): ExperimentPlace | undefined {
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
