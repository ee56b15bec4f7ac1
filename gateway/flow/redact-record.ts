import type { Metadata } from '#core/metadata.ts';
import type { CompiledGroup } from '#core/snapshot/compile.ts';
import type { EndRecord } from '#inference-log/record.ts';

/** The caller's metadata as the group's policy keeps it; a path like `metadata.ssn` reaches into it as into the body's own field. */
export function redactMetadata({ redactor }: CompiledGroup, metadata: Metadata | null): Metadata | undefined {
  if (metadata === null) return undefined;
  if (redactor === null) return metadata;
  const clean = redactor.value({ metadata }) as { readonly metadata?: unknown };
  return typeof clean.metadata === 'object' ? (clean.metadata as Metadata) : {};
}

/**
 * What the upstream chose the words of, by the group's policy. Not redacted: the unit (it must give the same bucket again), ids, and the
 * names of the configuration.
 */
export function redactEnd({ redactor }: CompiledGroup, record: EndRecord): EndRecord {
  if (redactor === null) return record;
  const clean = (text: string | null) => (text === null ? null : redactor.text(text));
  return {
    ...record,
    finishReason: clean(record.finishReason),
    responseType: clean(record.responseType),
    attempts: record.attempts.map((attempt) => ({ ...attempt, requestId: clean(attempt.requestId) })),
  };
}
