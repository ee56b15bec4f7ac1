import { setImmediate } from 'node:timers/promises';
import { groupHashOfId } from '#core/ids.ts';
import type { CompiledGroup } from '#core/snapshot/compile.ts';
import type { FeedbackItem } from '#inference-log/feedback-record.ts';

type Group = Pick<CompiledGroup, 'hash' | 'redactor' | 'capture'>;

/** Of comments, once for each policy, that are looked at in one turn of the event loop: some milliseconds at worst. */
const TURN_CHARS = 32 * 1024;

/**
 * Comments as the policies of the groups keep them that a report may be about: of an inference's id those of its hash, of a correlation
 * all that its key may use. Labels and ids stay what they are: they are names, which must be found again. So does a correlation, unless
 * every one of these groups hides it: then no experiment has it (core/snapshot/experiment.ts), and it is hidden here too. A thousand long
 * comments take seconds: others' requests get their turn in between.
 * @param nextTurn resolves in a later turn of the event loop
 */
export async function redactReports(
  items: readonly FeedbackItem[],
  usable: readonly Group[],
  nextTurn: () => Promise<unknown> = setImmediate,
): Promise<readonly FeedbackItem[]> {
  const redacting = usable.filter(({ redactor }) => redactor !== null);
  if (redacting.length === 0) return items;
  const everywhere = distinct(redacting);
  const isAlwaysRedacted = redacting.length === usable.length;
  const correlationOf = (given: string | null) => {
    if (given === null || !isAlwaysRedacted) return given;
    const kept = everywhere.map(({ redactor }) => redactor!.text(given));
    return kept.includes(given) ? given : kept[0]!;
  };
  const redacted: FeedbackItem[] = [];
  let chars = 0;
  for (const item of items) {
    const { inferenceId } = item;
    let { comment } = item;
    const hash = inferenceId === null || comment === null ? null : groupHashOfId(inferenceId);
    const groups = hash === null ? everywhere : redacting.filter((group) => group.hash === hash);
    for (const { redactor } of comment === null ? [] : groups) {
      chars += comment!.length;
      if (chars > TURN_CHARS) {
        await nextTurn();
        chars = comment!.length;
      }
      comment = redactor!.text(comment!);
    }
    redacted.push({ ...item, comment, correlation: correlationOf(item.correlation) });
  }
  return redacted;
}

/** One group of each policy: many have the same, and a text needs it once. */
function distinct(groups: readonly Group[]): readonly Group[] {
  const byPolicy = new Map(groups.map((group) => [JSON.stringify(group.capture.redaction), group]));
  return [...byPolicy.values()];
}
