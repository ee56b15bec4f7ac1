import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/**
 * Rollouts from their start to their end on real processes: applications' calls through a gateway, two models of the simulator whose
 * difference is known, and the control plane that looks, decides and acts by itself.
 */
let stack: Stack;
let key: string;

beforeAll(async () => {
  stack = await startStack({ workers: 1, env: { RINGSIDE_SHIP_AFTER_MS: '20' } });
  key = await stack.createGroup('warm-up', { first: 10_000 });
});
afterAll(() => stack.stop());

interface Rollout {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly paused: { readonly cause: string; readonly reason: string } | null;
  readonly reason: string;
  readonly weights: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

interface Transition {
  readonly event: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly actor: string;
}

async function must<Body>(method: string, path: string, body?: unknown): Promise<Body> {
  const answer = await stack.api<Body>(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** A group of its own with two models that behave so; the challenger has no traffic yet. */
async function makeGroup(name: string, champion: object, challenger: object): Promise<void> {
  const models = [`${name}-a`, `${name}-b`];
  for (const [index, behaviour] of [champion, challenger].entries()) {
    const put = await fetch(`${stack.simulatorUrl}/_sim/models/${models[index]}`, {
      method: 'PUT',
      body: JSON.stringify(behaviour),
    });
    if (!put.ok) throw new Error(await put.text());
    await must('POST', '/models', { name: models[index], provider: 'sim', upstreamModel: models[index] });
  }
  await must('POST', '/groups', { name });
  await must('PUT', `/groups/${name}/variants`, [
    { model: models[0], role: 'champion', weightBp: 10_000 },
    { model: models[1], role: 'challenger', weightBp: 0 },
  ]);
}

function startRollout(group: string, experiment: object, plan: object): Promise<Rollout> {
  return must('POST', '/rollouts', {
    ...{ group, name: `${group}-rollout`, challengers: [`${group}-b`], start: true },
    experiment: { historyDays: 0, fastGuard: null, guardrails: [], ...experiment },
    plan: { strategy: { kind: 'ab', weightBp: 5_000 }, intervalMs: 500, ...plan },
  });
}

/** Sends requests of ever new units until told to stop; each answer is read. Returns the cleanup, which says how many there were. */
function sendTraffic(
  group: string,
  options: { readonly sends?: (unit: string) => Promise<boolean> } = {},
): () => Promise<number> {
  const { sends = async () => true } = options;
  let [stopped, sent, next] = [false, 0, 0];
  const lane = async () => {
    while (!stopped) {
      const unit = `${group}-unit-${next++}`;
      if (!(await sends(unit))) continue;
      const answer = await stack.chat(key, { model: group }, { 'x-ringside-unit': unit });
      await answer.arrayBuffer();
      sent++;
    }
  };
  const lanes = Promise.all(Array.from({ length: 4 }, lane));
  return async () => {
    stopped = true;
    await lanes;
    return sent;
  };
}

async function until(
  rollout: Rollout,
  what: string,
  isSo: (now: Rollout) => boolean,
  timeoutMs = 60_000,
): Promise<Rollout> {
  let last: Rollout | undefined;
  try {
    return await waitFor(
      what,
      async () => {
        last = await must<Rollout>('GET', `/rollouts/${rollout.id}`);
        return isSo(last) ? last : undefined;
      },
      timeoutMs,
    );
  } catch (cause) {
    throw new Error(`${what}: ${JSON.stringify(last)} ${JSON.stringify(await storyOf(rollout))}`, { cause });
  }
}

/** The transitions in the order in which they happened. */
async function storyOf(rollout: Rollout): Promise<Transition[]> {
  return (await must<{ items: Transition[] }>('GET', `/rollouts/${rollout.id}/transitions`)).items.toReversed();
}

/** What the audit log has of a rollout: each transition is in it. */
async function expectAudited(rollout: Rollout): Promise<void> {
  const { items } = await must<{ items: { action: string; resource: string }[] }>('GET', '/audit?limit=200');
  const actions = items.filter(({ resource }) => resource === `rollouts/${rollout.id}`).map(({ action }) => action);
  for (const { event } of await storyOf(rollout)) expect(actions).toContain(`rollout.${event}`);
}

const weightsOf = async (group: string) => {
  const { variants } = await must<{ variants: { model: string; role: string; weightBp: number }[] }>(
    'GET',
    `/groups/${group}`,
  );
  return Object.fromEntries(variants.map(({ model, role, weightBp }) => [model, `${role} ${weightBp}`]));
};

const FAST = { latencyMs: { kind: 'uniform', minMs: 1, maxMs: 10 } };
const SLOW = { latencyMs: { kind: 'uniform', minMs: 41, maxMs: 60 } };
const BY_LATENCY = { primary: { metric: 'latency', minimumEffect: 0.3 } };

describe('a rollout', () => {
  test('of a better challenger promotes it', async () => {
    await makeGroup('better', SLOW, FAST);
    const rollout = await startRollout('better', BY_LATENCY, {});
    const stop = sendTraffic('better');
    const ended = await until(rollout, 'the promotion', ({ state }) => state === 'promoted');
    await stop();
    expect(await weightsOf('better')).toMatchObject({ 'better-b': 'champion 10000', 'better-a': 'challenger 0' });
    expect(ended.reason).not.toBe('');
    const story = await storyOf(rollout);
    expect(story.map(({ to }) => to).at(-1)).toBe('promoted');
    expect(story.map(({ from }) => from)[0]).toBe('draft');
    await expectAudited(rollout);
    // What was decided can be looked at afterwards, as can every look before.
    const { look, looks } = await must<{
      look: { comparisons: { verdict: string; primary: { upper: number } }[] };
      looks: { items: unknown[] };
    }>('GET', `/experiments/${rollout.id}/analysis`);
    expect(look.comparisons[0]!.verdict).toBe('challenger_better');
    expect(look.comparisons[0]!.primary.upper).toBeLessThan(0);
    expect(looks.items.length).toBeGreaterThan(0);
  });

  test.each([
    ['equal-end', 'end', 'inconclusive'],
    ['equal-promoted', 'promote', 'promoted'],
  ])('of an equal challenger (%s) ends as it is told to', async (group, onEquivalent, state) => {
    const same = { latencyMs: { kind: 'uniform', minMs: 20, maxMs: 30 } };
    await makeGroup(group, same, same);
    const rollout = await startRollout(group, { primary: { metric: 'latency', minimumEffect: 0.5 } }, { onEquivalent });
    const stop = sendTraffic(group);
    await until(rollout, `the state ${state}`, (now) => now.state === state);
    await stop();
    const champion = state === 'promoted' ? `${group}-b` : `${group}-a`;
    expect((await weightsOf(group))[champion]).toBe('champion 10000');
    expect((await storyOf(rollout)).some(({ reason }) => /equivalent|within/i.test(reason))).toBe(true);
    await expectAudited(rollout);
  });

  test('of a worse challenger sends it back, to the exact weights from before', async () => {
    await makeGroup('worse', FAST, SLOW);
    const before = await weightsOf('worse');
    const rollout = await startRollout(
      'worse',
      { ...BY_LATENCY, guardrails: [{ metric: 'latency', relative: true, margin: 0.2 }] },
      {
        strategy: {
          kind: 'canary',
          steps: [
            { weightBp: 2_000, minUnits: 150 },
            { weightBp: 5_000, minUnits: 100_000 },
          ],
        },
      },
    );
    const stop = sendTraffic('worse');
    await until(rollout, 'the way back', ({ state }) => state === 'rolled_back');
    await stop();
    expect(await weightsOf('worse')).toEqual(before);
    await expectAudited(rollout);
  });

  test('of a challenger that fails is sent back within seconds', async () => {
    await makeGroup('failing', FAST, { ...FAST, errors: [{ status: 500, rate: 0.9 }] });
    const rollout = await startRollout(
      'failing',
      { guardrails: [{ metric: 'error_rate', margin: 0.01 }], fastGuard: { alpha: 0.01 } },
      { strategy: { kind: 'canary', steps: [{ weightBp: 1_000, minUnits: 100_000 }] }, intervalMs: 600_000 },
    );
    const stop = sendTraffic('failing');
    await until(rollout, 'the way back', ({ state }) => state === 'rolled_back', 10_000);
    await stop();
    const [last] = (await storyOf(rollout)).toReversed();
    expect(last!.actor).toBe('rollout-engine');
    expect(last!.reason).toMatch(/fail/i);
    await expectAudited(rollout);
  });

  test('that gives a failing challenger everything at once is taken back within seconds', async () => {
    await makeGroup('switched', FAST, { ...FAST, errors: [{ status: 500, rate: 0.9 }] });
    const before = await weightsOf('switched');
    // The champion's history: what the challenger is held against when it is alone.
    const stop = sendTraffic('switched');
    await waitFor('a history in the log', async () => {
      const { items } = await must<{ items: unknown[] }>('GET', '/inferences?group=switched&limit=200');
      return items.length === 200 || undefined;
    });
    const rollout = await startRollout(
      'switched',
      { guardrails: [{ metric: 'error_rate', margin: 0.01 }], fastGuard: { alpha: 0.01 } },
      { strategy: { kind: 'blue-green', returnMs: 3_600_000 }, intervalMs: 600_000 },
    );
    expect(rollout.weights).toEqual({ 'switched-a': 0, 'switched-b': 10_000 });
    expect(rollout.notes.join(' ')).toMatch(/guardrails cannot be judged.* 0 of \d/);
    await until(rollout, 'the way back', ({ state }) => state === 'rolled_back', 10_000);
    await stop();
    expect(await weightsOf('switched')).toEqual(before);
    const [last] = (await storyOf(rollout)).toReversed();
    expect(last!.actor).toBe('rollout-engine');
    expect(last!.reason).toMatch(/\d+ of \d+ units failed, where .* are allowed/);
    const { look } = await must<{ look: { comparisons: { fastGuard: object }[] } }>(
      'GET',
      `/experiments/${rollout.id}/analysis`,
    );
    expect(look.comparisons[0]!.fastGuard).toMatchObject({ kind: 'one_arm', fired: true });
    await expectAudited(rollout);
  });

  test('is held where a broken client splits units otherwise', async () => {
    await makeGroup('broken', FAST, FAST);
    const rollout = await startRollout('broken', BY_LATENCY, { minDurationMs: 600_000 });
    await until(rollout, 'traffic for the challenger', ({ weights }) => weights['broken-b'] === 5_000);
    // It asks who would answer, and leaves out nine of ten units of the challenger: half of them would be noticed after 1 200 units.
    let turn = 0;
    const stop = sendTraffic('broken', {
      sends: async (unit) => {
        const { variant } = await must<{ variant: string }>('GET', `/groups/broken/assignment?unit=${unit}`);
        return variant !== 'broken-b' || turn++ % 10 === 0;
      },
    });
    const held = await until(rollout, 'the pause', ({ paused }) => paused !== null);
    await stop();
    expect(held.paused!.reason).toMatch(/split|ratio/i);
    expect(await weightsOf('broken')).toMatchObject({ 'broken-b': 'challenger 5000' });
    await expectAudited(rollout);
  });

  test('is held while the metric that decides is missing', async () => {
    await makeGroup('missing', FAST, FAST);
    const rollout = await startRollout(
      'missing',
      { primary: { metric: 'rating', direction: 'increase' } },
      { missingMetricHoldMs: 2_000 },
    );
    const stop = sendTraffic('missing');
    const held = await until(rollout, 'the pause', ({ paused }) => paused !== null);
    await stop();
    expect(held.state).not.toBe('promoted');
    expect(held.paused!.reason).toContain('rating');
    await expectAudited(rollout);
  });

  test('is decided by what people said, days or moments later', async () => {
    await makeGroup('rated', FAST, FAST);
    const rollout = await startRollout(
      'rated',
      { primary: { metric: 'thumbs', kind: 'rate', direction: 'increase', minimumEffect: 0.1 } },
      {},
    );
    let [stopped, next] = [false, 0];
    const lane = async () => {
      while (!stopped) {
        const unit = `rated-unit-${next++}`;
        const answer = await stack.chat(key, { model: 'rated' }, { 'x-ringside-unit': unit });
        await answer.arrayBuffer();
        const isB = answer.headers.get('x-ringside-variant') === 'rated-b';
        const report = {
          inferenceId: answer.headers.get('x-ringside-inference-id'),
          metric: 'thumbs',
          value: next % 10 < (isB ? 9 : 4),
        };
        const sent = await fetch(`${stack.gatewayUrl}/v1/feedback`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify(report),
        });
        if (sent.status !== 202) throw new Error(`${sent.status} ${await sent.text()}`);
        await sent.arrayBuffer();
      }
    };
    const lanes = Promise.all(Array.from({ length: 4 }, lane));
    await until(rollout, 'the promotion', ({ state }) => state === 'promoted');
    stopped = true;
    await lanes;
    expect(await weightsOf('rated')).toMatchObject({ 'rated-b': 'champion 10000' });
  });

  test('outlives its controller: killed again and again, it still ends once', async () => {
    await makeGroup('killed', SLOW, FAST);
    const rollout = await startRollout('killed', BY_LATENCY, {
      strategy: { kind: 'canary', steps: [1_000, 2_000, 3_000, 5_000].map((weightBp) => ({ weightBp, minUnits: 20 })) },
    });
    const stop = sendTraffic('killed');
    for (let round = 0; round < 4; round++) {
      const { length } = await storyOf(rollout);
      await waitFor('a step, or the end', async () => (await storyOf(rollout)).length > length || undefined, 15_000);
      await stack.killControlPlane();
      await stack.startControlPlane();
    }
    await until(rollout, 'the promotion', ({ state }) => state === 'promoted');
    await stop();
    const story = await storyOf(rollout);
    expect(story.filter(({ to }) => to === 'promoted')).toHaveLength(1);
    expect(await weightsOf('killed')).toMatchObject({ 'killed-b': 'champion 10000' });
    await expectAudited(rollout);
  }, 120_000);
});
