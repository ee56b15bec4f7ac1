import type { PhaseArms } from '../statistics/phases.ts';
import type { ArmMean } from '../statistics/ratio.ts';

/** From so many times the units of the other arm on, an arm is much larger. Equal slices are so by chance in less than 1 of 200 first looks. */
const MUCH_LARGER = 1.5;

/**
 * Arms of which one is much larger: a unit of the smaller one is taken to vary no less than a unit of the larger one.
 *
 * Values with a long tail (latency, cost) are many small ones and few that are huge. A small arm often has none of these yet, so that its mean
 * and its variance are too small together, and the sequence is sure of a difference that is none. Between arms of one size that cancels; beside a large
 * arm, which has them all, it does not: of log-normal values (σ = 2) with 5 % of the units in the challenger's arm, 24 % of
 * runs without an effect called the challenger the lower one, looked at all the time at α = 5 %. If nothing differs, the larger arm's
 * variance is the smaller one's too, and is known better. So it is asked as the hypothesis has it, like a relative effect
 * (`relativeBounds`); then less than 1 % of those runs did. The same saves a guardrail: a challenger on its margin of 10 % with 5 % of 10 000 units
 * passed in 16 % of runs (of 2.5 % that are allowed), and in none with this.
 *
 * It costs units where the smaller arm truly varies less. Values in proportion to the mean, 300 runs: a challenger with 10 % of the units was found to be 20 % lower
 * after 2 505 units in place of 1 670, 10 % lower after 10 688 in place of 8 684; one with 90 % to be 20 % higher after 5 177 in place of 3 507. Where the
 * smaller arm is the one that varies more, and between arms of one size, it changes nothing. The planner takes both arms to vary as the champion
 * does, so that its figures hold for the first two (2 560 and 10 237); those of a challenger that is higher, and so varies more, are too small with
 * and without this rule.
 *
 * Not for rates: there the sequence begins at ten events, and is right from then on (2.3 % at a rate of 1 %, with 5 % of the units).
 *
 * An arm without variance stays so: of it nothing is concluded.
 */
export function cautiousArms(arms: PhaseArms<ArmMean>): PhaseArms<ArmMean> {
  const { champion, challenger } = arms;
  if (challenger.units >= MUCH_LARGER * champion.units) return { champion: cautious(champion, challenger), challenger };
  if (champion.units >= MUCH_LARGER * challenger.units) return { champion, challenger: cautious(challenger, champion) };
  return arms;
}

function cautious(smaller: ArmMean, larger: ArmMean): ArmMean {
  if (smaller.varianceOfMean === 0) return smaller;
  const ofOneUnit = larger.varianceOfMean * larger.units;
  return { ...smaller, varianceOfMean: Math.max(smaller.varianceOfMean, ofOneUnit / smaller.units) };
}
