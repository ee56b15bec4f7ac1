import type { KyselyPlugin } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Problem } from '#control-plane/problem.ts';
import type { Look } from '#core/experiments/look.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import type { CommandKind } from '#core/rollout/step.ts';
import type { Db } from '#store/pool.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import { createMoments, scaled } from '#tests/support/fault-scale.ts';
import { lookOf } from '#tests/support/rollout-looks.ts';
import { createRolloutRig, type RolloutRig } from '#tests/support/rollout-rig.ts';

const MINUTE_MS = 60_000;
const webhooks = [{ hook: 'on-end', url: 'https://hooks.example.com/x' }];

/** A way from the start to the promotion: what a person orders, and what looks say, before each round of the engine. */
interface Course {
  readonly plan: object;
  readonly rounds: readonly { readonly order?: CommandKind; readonly look?: Look }[];
}
const OPEN = lookOf({ b: {} });
const BETTER = lookOf({ b: { verdict: 'challenger_better' } });
const COURSES: Readonly<Record<string, Course>> = {
  canary: {
    plan: {
      strategy: {
        kind: 'canary',
        steps: [
          { weightBp: 500, durationMs: MINUTE_MS },
          { weightBp: 2_500, durationMs: MINUTE_MS },
        ],
      },
      webhooks,
    },
    rounds: [{ order: 'start' }, {}, { look: BETTER }],
  },
  // The engine starts it, and asks the log for the champion's history.
  direct: {
    plan: { strategy: { kind: 'direct', holdMs: MINUTE_MS }, approvals: ['start'], webhooks },
    rounds: [{ order: 'start' }, { order: 'approve' }, {}, {}],
  },
  ab: {
    plan: { strategy: { kind: 'ab' }, autoPromote: false, webhooks },
    rounds: [{ order: 'start' }, { look: BETTER }, { order: 'approve', look: OPEN }],
  },
};
const VARIANTS = [
  { model: 'a', role: 'champion', weightBp: 9_000 },
  { model: 'b', role: 'challenger', weightBp: 1_000 },
];

let rig: RolloutRig;
beforeAll(async () => {
  rig = await createRolloutRig();
});
afterEach(async () => {
  rig.world.look = lookOf({ b: {} });
  rig.logged.length = 0;
  await asAtFirst();
});
afterAll(() => rig.close());

/** The variants of a new group, down to their buckets. */
async function asAtFirst(): Promise<void> {
  for (const variants of [[], VARIANTS])
    expect((await rig.api('PUT', '/groups/demo/variants', variants)).status).toBe(200);
}

class Died extends Error {
  override name = 'Died';
}

/** A database that fails before its statement number `at`, and counts them. */
function dyingAt(db: Db, at: number): { db: Db; statements: () => number } {
  let count = 0;
  const plugin: KyselyPlugin = {
    transformQuery({ node }) {
      if (count++ === at) throw new Died(`before statement ${at}`);
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  return { db: db.withPlugin(plugin), statements: () => count };
}

/** Everything that a rollout leaves behind, without the versions and times that differ from run to run. */
async function outcomeOf(rollout: RolloutRow) {
  const { state, phase, control, memory } = await rig.row(rollout);
  const { pause, stage, removed, approved } = rolloutMemorySchema.parse(memory);
  return {
    ...{ state, phase, control, pause, stage, removed, approved },
    story: await rig.story(rollout),
    audit: (await rig.audit(rollout)).map(({ action, actor }) => `${actor} ${action}`),
    variants: await rig.variants(),
  };
}

/** The whole course. `on` looks once in each round, beside another engine or alone. */
async function runWhole({ plan, rounds }: Course, on: (round: number) => Db, isAlone = true): Promise<RolloutRow> {
  const rollout = await rig.draft(plan);
  for (const [round, { order, look = OPEN }] of rounds.entries()) {
    rig.world.look = look;
    if (order !== undefined) await rig.order(rollout, order);
    rig.world.nowMs += MINUTE_MS;
    await Promise.all([rig.pass(0, rig.engine(on(round))), ...(isAlone ? [] : [rig.pass(0)])]);
    // Whoever died is replaced, and looks at the same world.
    await rig.pass(0);
  }
  return rollout;
}

test.for(Object.entries(COURSES))(
  '%s: of one engine or of two, one dies before any statement of any step: the outcome is the same, each transition once',
  { timeout: scaled(120_000, 900_000) },
  async ([, course]) => {
    const counters: { statements: () => number }[] = [];
    const calm = await runWhole(course, () => {
      const counted = dyingAt(rig.db, -1);
      counters.push(counted);
      return counted.db;
    });
    const expected = await outcomeOf(calm);
    expect(expected.state).toBe('promoted');
    const deaths = counters.flatMap(({ statements }, round) =>
      Array.from({ length: statements() }, (_, at) => ({ round, at })),
    );
    const { seed, random } = createMoments();
    for (const [place, { round, at }] of scaled(drawn(deaths, 10, random), deaths).entries()) {
      await asAtFirst();
      const isAlone = place % 2 === 0;
      const rollout = await runWhole(course, (now) => (now === round ? dyingAt(rig.db, at).db : rig.db), isAlone);
      const where = `round ${round}, statement ${at}, ${isAlone ? 'alone' : 'beside another'}, seed ${seed}`;
      expect(await outcomeOf(rollout), where).toEqual(expected);
    }
  },
);

/** Some of them, one from each stretch of equal length. */
function drawn<Item>(items: readonly Item[], count: number, random: () => number): Item[] {
  const stretch = items.length / count;
  return Array.from({ length: count }, (_, place) => items[Math.floor((place + random()) * stretch)]!);
}

test(
  'R20: of two who promote at once exactly one wins, with one audit entry',
  async () => {
    const times = scaled(20, 1_000);
    for (let time = 0; time < times; time++) {
      const rollout = await rig.draft({ strategy: { kind: 'ab' }, autoPromote: false });
      await rig.order(rollout, 'start');
      rig.world.look = lookOf({ b: { verdict: 'challenger_better' } });
      await rig.pass(MINUTE_MS);
      await rig.order(rollout, 'approve');
      rig.world.nowMs += MINUTE_MS;
      // Of the engines one may lead by mistake; of the people both believe that they must.
      const [first, second] = await Promise.allSettled([
        time % 2 === 0 ? rig.order(rollout, 'promote') : rig.pass(0),
        time % 3 === 0 ? rig.pass(0) : rig.order(rollout, 'promote'),
      ]);
      for (const each of [first, second]) {
        if (each.status === 'fulfilled') continue;
        expect(each.reason).toBeInstanceOf(Problem);
        expect((each.reason as Problem).code).toBe('conflict');
      }
      const promotions = (await rig.audit(rollout)).filter(({ action }) => action === 'rollout.promote');
      expect(promotions, `time ${time}`).toHaveLength(1);
      expect((await rig.story(rollout)).filter((line) => line.startsWith('promote'))).toHaveLength(1);
      expect(await rig.weights()).toEqual({ a: 0, b: 10_000 });
      await rig.api('PUT', '/groups/demo/variants', VARIANTS);
      rig.world.look = lookOf({ b: {} });
    }
    expect(rig.logged).toEqual([]);
  },
  scaled(120_000, 900_000),
);
