import { lookAt } from '#core/experiments/look-at.ts';
import { createRandom, drawNormal } from '#simulator/random.ts';
import { findingsOf, type Gate, type GateOptions } from './gate.ts';
import { createSimulation, definitionOf, observationOf } from './simulate.ts';
import { heavyUsers, type Traffic } from './traffic.ts';
import { declaresWinner } from './watch.ts';

const PHASES = 4;
const USERS = 1_000;
const WEIGHTS = [5_000, 5_000];

const HALVES = [0.5, 0.5];

/** Values that differ between users more than within them. */
const persistent: Traffic = {
  capacity: USERS,
  shares: HALVES,
  requests: heavyUsers(USERS),
  trait: drawNormal,
  value: (random, trait) => 3 + trait + 0.5 * drawNormal(random),
};

/** A few broken clients that always fail, in each phase anew. */
const brokenClients: Traffic = {
  ...persistent,
  trait: (random) => (random() < 0.006 ? 1 : 0),
  value: (_, trait) => trait,
};

/** Everybody comes back in each phase, in the same arm. */
export const returningUnits: Gate = {
  name: 'returning',
  about: `No effect, ${PHASES} phases with the same ${USERS} users`,
  run(options) {
    const { add, findings } = findingsOf('returning');
    const primary = { metric: 'outcome', direction: 'increase' as const };
    const mean = definitionOf({ primary, guardrails: [], fastGuard: null });
    add('false winners, mean', 'share', shareOfRuns(persistent, mean, options).winners, { atMost: 0.05 });
    const guarded = shareOfRuns(
      brokenClients,
      definitionOf({ guardrails: [{ metric: 'outcome', kind: 'rate', direction: 'decrease', margin: 0 }] }),
      options,
    );
    add('broken clients: fast guard fires', 'share', guarded.fired, { atMost: 0.01 });
    add('broken clients: guardrail violated', 'share', guarded.violated, { atMost: 0.025 });
    add('split: fires', 'share', guarded.mismatch, { atMost: 0.0045 });
    return findings;
  },
};

function shareOfRuns(
  traffic: Traffic,
  definition: ReturnType<typeof definitionOf>,
  { runs, looks, seed }: GateOptions,
) {
  const simulations = Array.from({ length: PHASES }, () => createSimulation(traffic));
  const seen = {
    winners: new Set<number>(),
    fired: new Set<number>(),
    violated: new Set<number>(),
    mismatch: new Set<number>(),
  };
  for (let run = 0; run < runs; run++) {
    let minSrmP = 1;
    const before: Parameters<typeof observationOf>[1][number][] = [];
    for (const [phase, simulation] of simulations.entries()) {
      const units = createRandom(`${seed}/returning/${run}`);
      const requests = createRandom(`${seed}/returning/${run}/${phase}`);
      simulation.run({ units, requests }, Math.ceil(looks / PHASES), ({ tallies }) => {
        const look = lookAt(
          definition,
          observationOf(['outcome'], [...before, { weightsBp: WEIGHTS, tallies }], minSrmP),
        );
        minSrmP = look.srm.minPValue;
        const [comparison] = look.comparisons;
        if (declaresWinner(look)) seen.winners.add(run);
        if (comparison!.fastGuard?.fired) seen.fired.add(run);
        if (comparison!.guardrails.some(({ state }) => state === 'violated')) seen.violated.add(run);
        if (look.srm.fired) seen.mismatch.add(run);
        return false;
      });
      before[phase] = { weightsBp: WEIGHTS, tallies: simulation.tallies };
    }
  }
  const share = (of: Set<number>) => of.size / runs;
  return {
    winners: share(seen.winners),
    fired: share(seen.fired),
    violated: share(seen.violated),
    mismatch: share(seen.mismatch),
  };
}
