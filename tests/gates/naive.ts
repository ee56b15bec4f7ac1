import type { ArmSums } from '#core/experiments/look.ts';
import { meanDifference } from '#core/statistics/mean-difference.ts';
import { normalQuantile } from '#core/statistics/special/distributions.ts';
import { srmSequential } from '#core/statistics/split-ratio.ts';
import { createRandom } from '#simulator/random.ts';
import type { GateOptions } from './gate.ts';
import { createSimulation } from './simulate.ts';
import type { Traffic } from './traffic.ts';

/** What others do, to stand beside what Ringside does: tests for a sample of fixed size, requests taken for units. */
const ALPHA = 0.05;
const POWER = 0.8;
const CRITICAL = normalQuantile(1 - ALPHA / 2);
const PLANNED_UNITS = 5_000;

function difference(champion: ArmSums, challenger: ArmSums) {
  const found = meanDifference({ champion, challenger, alpha: ALPHA, plannedN: PLANNED_UNITS, relative: false });
  return found.kind === 'estimate' ? found : null;
}

/** Whether a two-sided z test at α 0.05 for a fixed sample finds a difference. */
export function fixedSampleFinds(champion: ArmSums, challenger: ArmSums): boolean {
  const found = difference(champion, challenger);
  return found !== null && Math.abs(found.effect) > CRITICAL * found.standardError;
}

/** Units of both arms with which that test finds an effect with a power of 80 %, where values deviate by as much as their mean. */
export function fixedSampleUnits(effect: number): number {
  const perArm = (2 * (CRITICAL + normalQuantile(POWER)) ** 2) / effect ** 2;
  return 100 * Math.ceil((2 * perArm) / 100);
}

/** How often tests that take each request for a unit find a difference where there is none. */
export function naiveWinners(name: string, { runs, looks, seed }: GateOptions, traffic: Traffic) {
  const simulation = createSimulation(traffic);
  let once = 0;
  let everyLook = 0;
  let sequenceByRequest = 0;
  for (let run = 0; run < runs; run++) {
    let anyLook = false;
    let anySequence = false;
    simulation.run(createRandom(`${seed}/${name}/${run}`), looks, ({ look, tallies }) => {
      const [champion, challenger] = tallies.map((tally) => tally.sumsByRequest());
      const finds = fixedSampleFinds(champion!, challenger!);
      const sequence = difference(champion!, challenger!);
      anyLook ||= finds;
      anySequence ||= sequence !== null && (sequence.lower > 0 || sequence.upper < 0);
      if (look === looks && finds) once++;
      return false;
    });
    if (anyLook) everyLook++;
    if (anySequence) sequenceByRequest++;
  }
  return { once: once / runs, everyLook: everyLook / runs, sequenceByRequest: sequenceByRequest / runs };
}

/** p of the sequential split test when requests are taken for units. */
export function naiveSplitP(requests: readonly number[], weightsBp: readonly number[]): number {
  const evidence = srmSequential(requests, weightsBp);
  if (evidence.kind === 'refused') throw new RangeError(`${evidence.field} ${evidence.reason}`);
  return evidence.pValue;
}
