import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import type { Observation } from '#core/experiments/look.ts';
import type { Random } from '#simulator/random.ts';
import { createTally, type Tally } from './tally.ts';
import { drawArm, type Traffic } from './traffic.ts';

/** Definitions are written as users write them: through the schema, with its defaults. */
export const definitionOf = experimentDefinitionSchema.parse;

/** A run as far as it has come. */
export interface Progress {
  /** From 1 on. */
  readonly look: number;
  readonly requests: number;
  readonly tallies: readonly Tally[];
}

/** Sequences of their own for what units are and for what they do: the same units can come back with other requests. */
export interface Draws {
  readonly units: Random;
  readonly requests: Random;
}

/** Traffic with room for its runs, which are made one after the other in the same arrays. */
export interface Simulation {
  readonly tallies: readonly Tally[];
  /** Lets a run's traffic arrive in as many equal parts as there are looks; `visit` sees each and returns true to end the run. */
  run(random: Random | Draws, looks: number, visit: (progress: Progress) => boolean): void;
}

export function createSimulation(traffic: Traffic): Simulation {
  const tallies = traffic.shares.map(() => createTally(traffic.capacity));
  const arms = new Int8Array(traffic.capacity);
  const traits = new Float64Array(traffic.capacity);
  return {
    tallies,
    run(draws, looks, visit) {
      const { units, requests: random } = typeof draws === 'function' ? { units: draws, requests: draws } : draws;
      for (const tally of tallies) tally.clear();
      for (let unit = 0; unit < traffic.capacity; unit++) {
        arms[unit] = drawArm(units, traffic.shares);
        traits[unit] = traffic.trait(units);
      }
      const requests = traffic.requests(random);
      let at = 0;
      for (let look = 1; look <= looks; look++) {
        const end = Math.floor((requests.length * look) / looks);
        for (; at < end; at++) {
          const unit = requests[at]!;
          const arm = arms[unit]!;
          tallies[arm]!.add(unit, traffic.value(random, traits[unit]!, arm));
        }
        if (visit({ look, requests: at, tallies })) return;
      }
    },
  };
}

interface ObservedPhase {
  readonly weightsBp: readonly number[];
  readonly tallies: readonly Tally[];
}

/** What a look is made from: every named metric is what the tallies hold. */
export function observationOf(
  metrics: readonly string[],
  observed: readonly ObservedPhase[],
  minSrmP = 1,
): Observation {
  const phases = observed.map(({ weightsBp, tallies }, index) => {
    const sums = tallies.map((tally) => tally.sums());
    const failingUnits = tallies.map((tally) => tally.eventUnits());
    return {
      sums: { phase: index + 1, arms: sums },
      units: {
        phase: index + 1,
        weightsBp,
        units: sums.map(({ units }) => units),
        failingUnits,
        requests: sums.map(({ n }) => n),
        failures: sums.map(({ sum }) => sum),
      },
    };
  });
  return {
    atMs: 0,
    arms: (observed[0]?.weightsBp ?? []).map((_, arm) => (arm === 0 ? 'champion' : `challenger ${arm}`)),
    phase: observed.length,
    phases: phases.map(({ units }) => units),
    metrics: Object.fromEntries(metrics.map((metric) => [metric, phases.map(({ sums }) => sums)])),
    evidence: { lost: 0, underWay: 0, lastAtMs: 0, broken: [] },
    minSrmP,
  };
}

/** Equal weights for as many arms, in basis points. */
export function equalWeights(arms: number): number[] {
  return Array.from({ length: arms }, () => Math.floor(10_000 / arms));
}
