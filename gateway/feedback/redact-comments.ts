import { groupHashOfId } from '#core/ids.ts';
import type { CompiledGroup } from '#core/snapshot/compile.ts';
import type { FeedbackItem } from '#inference-log/feedback-record.ts';

type Group = Pick<CompiledGroup, 'hash' | 'redactor' | 'capture'>;

/**
 * Comments as the policies of the groups keep them that a report may be about: of an inference's id those of its hash, of a correlation
 * all that its key may use. Labels and ids stay what they are: they are names, which must be found again.
 */
export function redactComments(items: readonly FeedbackItem[], usable: readonly Group[]): readonly FeedbackItem[] {
  const redacting = usable.filter(({ redactor }) => redactor !== null);
  if (redacting.length === 0) return items;
  const everywhere = distinct(redacting);
  return items.map((item) => {
    const { inferenceId, comment } = item;
    if (comment === null) return item;
    const hash = inferenceId === null ? null : groupHashOfId(inferenceId);
    const groups = hash === null ? everywhere : redacting.filter((group) => group.hash === hash);
    return { ...item, comment: groups.reduce((text, { redactor }) => redactor!.text(text), comment) };
  });
}

/** One group of each policy: many have the same, and a text needs it once. */
function distinct(groups: readonly Group[]): readonly Group[] {
  const byPolicy = new Map(groups.map((group) => [JSON.stringify(group.capture.redaction), group]));
  return [...byPolicy.values()];
}
