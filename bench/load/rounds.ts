import type { Field } from './row.ts';
import { settled, type Target } from './side.ts';

export interface Rounds<Result> {
  /** What is measured, for progress and notes: "P1 wrk". */
  readonly label: string;
  readonly targets: readonly Target[];
  /** Default: those of the field. */
  readonly rounds?: number;
  readonly seconds?: number;
  readonly run: (target: Target, seconds: number) => Promise<Result>;
  /** One line of progress. */
  readonly describe: (result: Result) => string;
  /** Requests without a good answer. */
  readonly failures: (result: Result) => number;
}

const WARM_UP_S = 2;

/**
 * Measures every target once a round, so that drift meets all of them. A first round, which warms up, is not kept. A target
 * whose measurement throws is noted and left out from then on; the others go on.
 * @returns the results of the targets that were measured in every round
 */
export async function measureInRounds<Result>(
  field: Pick<Field, 'rounds' | 'seconds' | 'say' | 'note'>,
  options: Rounds<Result>,
): Promise<ReadonlyMap<string, readonly Result[]>> {
  const { label, targets, rounds = field.rounds, seconds = field.seconds } = options;
  const results = new Map<string, Result[]>(targets.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const target of targets) {
      const kept = results.get(target.name);
      if (kept === undefined) continue;
      try {
        const result = await options.run(target, round === 0 ? Math.min(WARM_UP_S, seconds) : seconds);
        field.say(
          `${label} ${round === 0 ? 'warm-up' : `${round}/${rounds}`} ${target.name}: ${options.describe(result)}`,
        );
        if (round === 0) continue;
        kept.push(result);
        const failures = options.failures(result);
        if (failures > 0)
          field.note(`${label} round ${round}: ${target.name} had ${failures} requests without a good answer`);
      } catch (error) {
        results.delete(target.name);
        field.note(`${label}: ${target.name} could not be measured: ${String(error)}`);
      } finally {
        await settled(field, target);
      }
    }
  }
  return results;
}
