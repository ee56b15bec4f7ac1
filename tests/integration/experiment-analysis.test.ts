import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { observe } from '#control-plane/experiments/observe.ts';
import type { SnapshotGroup } from '#core/snapshot/schema.ts';
import { keepPhases } from '#store/experiment-phases.ts';
import { reportLedgers } from '#store/gateway-ledgers.ts';
import { reportGateway } from '#store/gateways.ts';
import { inOrganization } from '#store/pool.ts';
import { findRollout } from '#store/rollouts.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { holdLead } from '#tests/support/hold-lead.ts';
import { deviationsOf } from '#tests/support/looks.ts';
import { type CountedInference, countInferences, plantExperiment, unitId } from '#tests/support/planted-experiment.ts';

let control: TestControlPlane;
let release: () => Promise<void>;
let api: ApiClient;
let groupId: string;

beforeAll(async () => {
  control = await startTestControlPlane();
  release = await holdLead(control.databaseUrl);
  api = await control.owner('acme');
  await seedGroup(api, 'demo');
  groupId = (await api('GET', '/groups/demo')).body.id;
});
afterAll(async () => {
  await release();
  await control.stop();
});

/** Numbers that look like chance and are the same in every run. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function inferencesOf(count: number, seed: number): CountedInference[] {
  const next = chance(seed);
  return Array.from({ length: count }, () => {
    const user = Math.floor(next() ** 2 * 150);
    return {
      ...{ phase: 1 + (user % 2), arm: Math.floor(user / 2) % 2, unit: `user-${user}`, failed: next() < 0.2 },
      // Squares of a unit's sum go far beyond what 64 bits hold.
      latencyUs: Math.floor(next() * 3_600_000_000) * (user === 0 ? 2 ** 10 : 1),
      outputTokens: next() < 0.3 ? null : Math.floor(next() * 1_000),
      costMicroUsd: user % 5 === 0 ? null : Math.floor(next() * 90_000),
    };
  });
}

/** The sums of a metric by phase and arm, from the inferences themselves and in whole numbers of any size. */
function sumsOf(list: readonly CountedInference[], of: (one: CountedInference) => number | null) {
  const units = new Map<string, { phase: number; arm: number; sum: bigint; n: bigint }>();
  for (const one of list) {
    const value = of(one);
    if (value === null) continue;
    const key = `${one.phase}/${one.arm}/${one.unit}`;
    const unit = units.get(key) ?? { phase: one.phase, arm: one.arm, sum: 0n, n: 0n };
    units.set(key, { ...unit, sum: unit.sum + BigInt(value), n: unit.n + 1n });
  }
  const add = (phase: number, arm: number, term: (unit: { sum: bigint; n: bigint }) => bigint) =>
    Number(
      [...units.values()]
        .filter((unit) => unit.phase === phase && unit.arm === arm)
        .reduce((sum, unit) => sum + term(unit), 0n),
    );
  return [1, 2].map((phase) => ({
    phase,
    arms: [0, 1].map((arm) => ({
      units: add(phase, arm, () => 1n),
      n: add(phase, arm, ({ n }) => n),
      nSquares: add(phase, arm, ({ n }) => n * n),
      sum: add(phase, arm, ({ sum }) => sum),
      sumSquares: add(phase, arm, ({ sum }) => sum * sum),
      products: add(phase, arm, ({ sum, n }) => sum * n),
      deviations: deviationsOf(
        [...units.values()]
          .filter((unit) => unit.phase === phase && unit.arm === arm)
          .map(({ sum, n }) => ({ s: sum, n })),
      ),
    })),
  }));
}

const DEFINITION = {
  primary: { metric: 'latency' },
  guardrails: ['error_rate', 'cost', 'output_tokens'].map((metric) => ({ metric, margin: 0.1 })),
};

function observed(experimentId: string) {
  return inOrganization(control.application, api.organizationId, async (tx) => {
    const row = await findRollout(tx, api.organizationId, experimentId);
    return observe(tx, row!, 1_000);
  });
}

/** Each group runs one at a time. */
async function end(experimentId: string): Promise<void> {
  await control.admin.updateTable('rollouts').set({ ended_at: new Date() }).where('id', '=', experimentId).execute();
}

test('sums are exact, whatever their size, and do not depend on batches', async () => {
  const list = inferencesOf(2_000, 7);
  const plans: [name: string, batches: CountedInference[][]][] = [
    ['whole', [list]],
    ['one by one batch', [list.slice(0, 3), list.slice(3, 700), list.slice(700)]],
    ['backwards', [list.toReversed().slice(0, 1_234), list.toReversed().slice(1_234)]],
  ];
  for (const [name, batches] of plans) {
    const place = { organizationId: api.organizationId, groupId };
    const phases = [
      [1_000, 1_000],
      [4_000, 6_000],
    ];
    const experimentId = await plantExperiment(control.admin, { ...place, definition: DEFINITION, phases });
    for (const batch of batches) await countInferences(control.admin, { ...place, experimentId }, batch);
    const observation = await observed(experimentId);
    expect(observation.metrics, name).toEqual({
      latency: sumsOf(list, (one) => (one.failed ? null : one.latencyUs)),
      error_rate: sumsOf(list, (one) => Number(one.failed)),
      cost: sumsOf(list, (one) => one.costMicroUsd),
      output_tokens: sumsOf(list, (one) => one.outputTokens),
    });
    const inCell = (phase: number, arm: number) => list.filter((one) => one.phase === phase && one.arm === arm);
    const unitsOf = (some: readonly CountedInference[]) => new Set(some.map(({ unit }) => unit)).size;
    const cells = (count: (some: CountedInference[]) => number, phase: number) =>
      [0, 1].map((arm) => count(inCell(phase, arm)));
    expect(observation.phases, name).toEqual(
      [1, 2].map((phase) => ({
        ...{ phase, weightsBp: phases[phase - 1] },
        units: cells(unitsOf, phase),
        failingUnits: cells((some) => unitsOf(some.filter(({ failed }) => failed)), phase),
        requests: cells((some) => some.length, phase),
        failures: cells((some) => some.filter(({ failed }) => failed).length, phase),
        startedAtMs: expect.any(Number),
      })),
    );
    expect(observation).toMatchObject({ atMs: 1_000, arms: ['a', 'b'], phase: 2, minSrmP: 1 });
    expect(observation.evidence).toMatchObject({ lost: 0, underWay: 0, broken: [] });
    await end(experimentId);
  }
});

async function plantMetric(
  experimentId: string,
  metric: string,
  rows: readonly [unit: string, arm: number, n: number, sum: string][],
) {
  for (const [unit, arm, n, sum] of rows) {
    await control.admin
      .insertInto('experiment_unit_metrics')
      .values({
        ...{ experiment_id: experimentId, organization_id: api.organizationId, phase: 1, arm, metric },
        ...{ unit: unitId(unit), n, sum },
      })
      .execute();
  }
}

test('a metric of feedback is summed like the others; one that is no number is missing, and so is what nobody reported', async () => {
  const definition = {
    primary: { metric: 'rating', direction: 'increase' },
    guardrails: ['broken', 'nobody'].map((metric) => ({ metric, direction: 'increase', margin: 1 })),
  };
  const place = { organizationId: api.organizationId, groupId };
  const experimentId = await plantExperiment(control.admin, { ...place, definition });
  await plantMetric(experimentId, 'rating', [
    ['u1', 0, 2, '7.25'],
    ['u2', 0, 1, '-0.5'],
    ['u3', 1, 4, '1e30'],
  ]);
  await plantMetric(experimentId, 'broken', [
    ['u1', 0, 2, 'NaN'],
    ['u2', 1, 2, '1e400'],
  ]);
  const { metrics } = await observed(experimentId);
  expect(metrics).toEqual({
    rating: [
      {
        phase: 1,
        arms: [
          { units: 2, n: 3, nSquares: 5, sum: 6.75, sumSquares: 52.8125, products: 14, deviations: 15.125 },
          { units: 1, n: 4, nSquares: 16, sum: 1e30, sumSquares: 1e60, products: 4e30, deviations: 0 },
        ],
      },
    ],
    broken: [{ phase: 1, arms: [null, null] }],
  });
  await end(experimentId);
});

test('what units did before takes its share of the variance away, as a regression by hand does', async () => {
  const next = chance(11);
  const list: CountedInference[] = [];
  const history = new Map<string, number>();
  for (let user = 0; user < 300; user++) {
    const base = 100 + Math.floor(next() * 1_000);
    const unit = `user-${user}`;
    if (user % 4 !== 0) history.set(unit, base);
    for (let i = 0; i <= user % 7; i++) {
      const latencyUs = base + Math.floor(next() * 200) + (user % 2) * 50;
      list.push({ phase: 1, arm: user % 2, unit, failed: false, latencyUs, outputTokens: null, costMicroUsd: null });
    }
  }
  const place = { organizationId: api.organizationId, groupId };
  const definition = { primary: { metric: 'latency' }, guardrails: [] };
  const experimentId = await plantExperiment(control.admin, { ...place, definition });
  await countInferences(control.admin, { ...place, experimentId }, list);
  for (const [unit, mean] of history) {
    await control.admin
      .insertInto('experiment_history')
      .values({
        ...{ experiment_id: experimentId, organization_id: api.organizationId, metric: 'latency' },
        ...{ unit: unitId(unit), n: 3, sum: 3 * mean },
      })
      .execute();
  }
  const { metrics } = await observed(experimentId);
  const [phase] = metrics['latency']!;

  // The same with one number a unit, in doubles.
  const centre = [...history.values()].reduce((sum, mean) => sum + mean, 0) / history.size;
  const arms = [0, 1].map((arm) => {
    const units = [
      ...Map.groupBy(
        list.filter((one) => one.arm === arm),
        ({ unit }) => unit,
      ),
    ].map(([unit, own]) => ({
      sum: own.reduce((sum, { latencyUs }) => sum + latencyUs, 0),
      n: own.length,
      x: history.has(unit) ? history.get(unit)! - centre : 0,
    }));
    const total = (term: (unit: (typeof units)[number]) => number) => units.reduce((sum, unit) => sum + term(unit), 0);
    const ratio = total(({ sum }) => sum) / total(({ n }) => n);
    const meanCount = total(({ n }) => n) / units.length;
    const ys = units.map(({ sum, n, x }) => ({ y: ratio + (sum - ratio * n) / meanCount, x }));
    return { ratio, ys, xMean: total(({ x }) => x) / units.length };
  });
  const crossed = arms.flatMap(({ ys, ratio, xMean }) => ys.map(({ y, x }) => (y - ratio) * (x - xMean)));
  const squares = arms.flatMap(({ ys, xMean }) => ys.map(({ x }) => (x - xMean) ** 2));
  const theta = crossed.reduce((a, b) => a + b) / squares.reduce((a, b) => a + b);
  const xs = arms.flatMap(({ ys }) => ys.map(({ x }) => x));
  const ofAll = xs.reduce((a, b) => a + b) / xs.length;
  for (const [index, { ys, ratio, xMean }] of arms.entries()) {
    const mean = ratio - theta * (xMean - ofAll);
    const rest = ys.map(({ y, x }) => (y - theta * (x - ofAll) - mean) ** 2).reduce((a, b) => a + b);
    const plain = ys.map(({ y }) => (y - ratio) ** 2).reduce((a, b) => a + b);
    const got = phase!.adjusted![index]!;
    expect(got.mean).toBeCloseTo(mean, 8);
    expect(got.varianceOfMean / (rest / (ys.length - 1) / ys.length)).toBeCloseTo(1, 10);
    expect(rest).toBeLessThan(plain * 0.8);
  }
  await end(experimentId);
});

test('log loss since the start counts, what is under way may still come', async () => {
  const place = { organizationId: api.organizationId, groupId };
  const [old, young] = [randomUUID(), randomUUID()];
  const startedAt = new Date(Date.now() - 60_000);
  const report = { host: 'h', pid: 1, release: '0', workers: 1, snapshotVersion: 0, keyVersion: 0, startedAt };
  for (const id of [old, young]) await reportGateway(control.gateway, { id, ...report });
  const ledger = { groupId, accepted: 20, recorded: 12 };
  await reportLedgers(control.gateway, old, 1, [{ ...ledger, dropped: { spool_write_failed: 5 } }]);
  await reportLedgers(control.gateway, young, 1, [{ ...ledger, dropped: { spool_full: 2 } }]);
  const experimentId = await plantExperiment(control.admin, { ...place, startedAt });
  await sql`UPDATE ringside.experiment_phases SET lost_before = ${JSON.stringify({ [old]: 4 })}::jsonb
    WHERE experiment_id = ${experimentId}`.execute(control.admin);
  const { evidence } = await observed(experimentId);
  // 5 − 4 of the one, 2 of the other; of each 12 are in a spool, and the rest is at the gateway.
  expect(evidence).toEqual({ lost: 3, underWay: 12 + 3 + 12 + 6, lastAtMs: null, broken: [] });
  await end(experimentId);
});

test('a phase keeps the buckets that gateways were told; when their ratio changes, it compares nothing', async () => {
  const place = { organizationId: api.organizationId, groupId };
  const experimentId = await plantExperiment(control.admin, { ...place, phases: [] });
  const publish = (phase: number, ...arms: [number, number][][]) =>
    inOrganization(control.application, api.organizationId, (tx) =>
      keepPhases(tx, {
        ...{ schema: 1, organizationId: api.organizationId, organizationName: 'acme', providers: [], models: [] },
        groups: [
          {
            id: groupId,
            experiment: {
              ...{ id: experimentId, phase, correlationKey: null },
              arms: arms.map((ranges) => ({ modelId: randomUUID(), ranges })),
            },
          } as SnapshotGroup,
        ],
      }),
    );
  const kept = async () => {
    const { phases, evidence } = await observed(experimentId);
    return { weights: phases.map(({ weightsBp }) => weightsBp), broken: evidence.broken };
  };
  await publish(1, [[0, 500]], [[9_500, 10_000]]);
  await publish(1, [[0, 1_000]], [[9_000, 10_000]]);
  await publish(1, [], []);
  await publish(2, [[0, 4_000]], [[4_000, 10_000]]);
  const weights = [
    [1_000, 1_000],
    [4_000, 6_000],
  ];
  expect(await kept()).toEqual({ weights, broken: [] });
  await publish(2, [[0, 3_000]], [[4_000, 10_000]]);
  expect((await kept()).broken).toEqual([
    "Phase 2 compares nothing: the ratio of its arms' buckets changed while it ran.",
  ]);
  await publish(2, [[0, 2_000]], [[4_000, 8_000]]);
  expect((await kept()).broken).toHaveLength(1);
  const one = { phase: 3, arm: 0, unit: 'u', failed: false, latencyUs: 1, outputTokens: 1, costMicroUsd: 1 };
  await countInferences(control.admin, { ...place, experimentId }, [one]);
  expect((await kept()).broken[1]).toMatch(/^Phase 3 compares nothing: which buckets its arms had is not known/);
  await end(experimentId);
});
