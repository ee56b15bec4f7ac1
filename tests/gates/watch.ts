import type { ExperimentDefinition } from '#core/experiments/definition.ts';
import type { Look } from '#core/experiments/look.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import { createRandom } from '#simulator/random.ts';
import type { GateOptions } from './gate.ts';
import { createSimulation, equalWeights, observationOf, type Progress } from './simulate.ts';
import type { Traffic } from './traffic.ts';

/** Somebody who looks again and again, and acts on the first look that says something. */
export interface Watched {
  readonly traffic: Traffic;
  readonly definition: ExperimentDefinition;
  /** Names under which the measured values are seen. */
  readonly metrics: readonly string[];
  /** What the split is configured to be; left out: equal. */
  readonly weightsBp?: readonly number[];
  /** Sees every look; true ends the run. */
  onLook(look: Look, progress: Progress, run: number): boolean;
}

export function watch(name: string, { runs, looks, seed }: GateOptions, watched: Watched): void {
  const { traffic, definition, metrics, onLook } = watched;
  const simulation = createSimulation(traffic);
  const weightsBp = watched.weightsBp ?? equalWeights(traffic.shares.length);
  for (let run = 0; run < runs; run++) {
    let minSrmP = 1;
    simulation.run(createRandom(`${seed}/${name}/${run}`), looks, (progress) => {
      const look = lookAt(definition, observationOf(metrics, [{ weightsBp, tallies: progress.tallies }], minSrmP));
      minSrmP = look.srm.minPValue;
      return onLook(look, progress, run);
    });
  }
}

/** Whether a look declares a winner for any challenger. */
export function declaresWinner({ comparisons }: Look): boolean {
  return comparisons.some(({ verdict }) => verdict === 'challenger_better' || verdict === 'champion_better');
}

/** Share of runs in which some look does. */
export function shareOfRuns(
  name: string,
  options: GateOptions,
  watched: Omit<Watched, 'onLook'>,
  says: (look: Look, progress: Progress) => boolean,
): number {
  let count = 0;
  watch(name, options, {
    ...watched,
    onLook: (look, progress) => {
      const said = says(look, progress);
      if (said) count++;
      return said;
    },
  });
  return count / options.runs;
}
