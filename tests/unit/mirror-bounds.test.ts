import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { MAX_MIRRORED } from '#gateway/flow/mirror.ts';
import { FAILURES_TO_OPEN, OPEN_MS } from '#gateway/shadow/breaker.ts';
import { createMirrorRig, failsWith, isSilent, replies } from '../support/mirror-flow.ts';
import { waitFor } from '../support/wait.ts';

const rig = createMirrorRig();
const { start, ask } = rig;
afterEach(() => rig.stop());

describe('bounds', () => {
  test('as many at a time as the policy says; what comes beyond is dropped, and callers are served as ever', async () => {
    const flow = await start({ policy: { maxConcurrency: 2 }, shadow: isSilent });
    const answers = await Promise.all(Array.from({ length: 10 }, () => flow.chat()));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    await waitFor('drops', () => flow.outcomes()['dropped_concurrency'] === 8);
    expect(flow.records('shadow')).toHaveLength(2);
    await flow.mirrors.settle(0);
  });

  test('no more at a time than a thread can bear, whatever the policies of its groups add up to', async () => {
    const shadows = 5;
    const flow = await start({
      policy: { maxConcurrency: 1_000 },
      shadow: isSilent,
      change({ models, groups }) {
        const [, model] = models;
        for (let more = 1; more < shadows; more++) {
          const id = randomUUID();
          models.push({ ...model!, id, name: `more-${more}` });
          groups[0]!.variants.push({ modelId: id, role: 'shadow', weightBp: 0, ranges: [] });
        }
        const { variants, name: _, ...group } = groups[0]!;
        groups.push({ ...group, id: randomUUID(), name: 'h', variants });
      },
    });
    const asks = MAX_MIRRORED / shadows + 4;
    for (let from = 0; from < asks; from += 17) {
      const some = Array.from({ length: Math.min(17, asks - from) }, async (_, at) => {
        const answer = await flow.chat({ model: at % 2 === 0 ? 'g' : 'h' });
        await answer.text();
        return answer.status;
      });
      expect(new Set(await Promise.all(some))).toEqual(new Set([200]));
    }
    await waitFor('all to be begun', () => flow.records('shadow').length === MAX_MIRRORED);
    await flow.mirrors.settle(0);
    expect(flow.records('shadow')).toHaveLength(MAX_MIRRORED);
  });

  test('as many a minute', async () => {
    const flow = await start({ policy: { maxPerMinute: 1 } });
    await ask(flow);
    await ask(flow);
    // A minute of the clock may have begun between the two.
    const { dropped_rate: dropped = 0, completed } = flow.outcomes();
    expect(dropped + completed!).toBe(2);
    flow.passMs(60_000);
    await ask(flow);
    await ask(flow);
    await ask(flow);
    expect(flow.outcomes()['dropped_rate']).toBeGreaterThan(dropped);
  });

  test('as many tokens a day, as far as the provider says them', async () => {
    const flow = await start({ policy: { maxTokensPerDay: 50 } });
    await ask(flow);
    await ask(flow); // 42 are fewer than 50
    await ask(flow);
    expect(flow.outcomes()).toEqual({ completed: 2, dropped_budget: 1 });
    flow.passMs(86_400_000);
    await ask(flow);
    expect(flow.outcomes()).toMatchObject({ completed: 3 });
  });

  test('none while the event loop is busy', async () => {
    let utilisation = 0.95;
    const flow = await start({ utilisation: () => utilisation });
    await ask(flow);
    utilisation = 0.5;
    await ask(flow);
    expect(flow.outcomes()).toEqual({ dropped_busy: 1, completed: 1 });
  });

  test('none without room for the body, and a request that has none is not delayed', async () => {
    const budget = { take: (_: number, share = 1) => share === 1, give: () => undefined };
    const flow = await start({ budget });
    await ask(flow);
    expect(flow.outcomes()).toEqual({ dropped_memory: 1 });
  });

  test('none while the log takes nothing', async () => {
    const flow = await start();
    flow.refuseRecords();
    await ask(flow);
    expect(flow.outcomes()).toEqual({ dropped_log: 1 });
  });
});

test('the bytes of a mirrored call stay as they are while callers’ bodies come into the same pool, and go back to it', async () => {
  const held: { body: readonly Buffer[]; end: () => void }[] = [];
  const flow = await start({
    policy: { maxConcurrency: 1 },
    shadow(handler, controller, call) {
      held.push({ body: call.body, end: () => replies(handler, controller, call) });
    },
  });
  const large = (letter: string) => flow.chat({ content: letter.repeat(400_000) });
  await (await large('a')).text();
  await waitFor('the mirrored call', () => held.length === 1);
  for (const letter of ['b', 'c', 'd']) await (await large(letter)).text();
  expect(JSON.parse(Buffer.concat(held[0]!.body).toString())).toMatchObject({ content: 'a'.repeat(400_000) });
  const memory = held[0]!.body.find(({ length }) => length > 100_000)!.buffer;
  held[0]!.end();
  await waitFor('its end', () => flow.outcomes()['completed'] === 1);
  await (await large('e')).text();
  await waitFor('the next mirrored call', () => held.length === 2);
  expect(held[1]!.body.find(({ length }) => length > 100_000)!.buffer).toBe(memory);
  await flow.mirrors.settle(0);
});

describe('a shadow that is not well', () => {
  test('has a failed row for each call, and is left alone after some; then one call looks', async () => {
    const flow = await start({ shadow: failsWith(500) });
    for (let at = 0; at < FAILURES_TO_OPEN + 2; at++) expect((await ask(flow)).status).toBe(200);
    expect(flow.outcomes()).toEqual({ failed: FAILURES_TO_OPEN, dropped_breaker: 2 });
    expect(flow.records('shadow').map(({ end }) => end!.outcome)).toEqual(Array(FAILURES_TO_OPEN).fill('failed'));
    expect(flow.records('shadow')[0]!.end).toMatchObject({ servedReason: 'shadow', errorCode: 'upstream_error' });
    flow.passMs(OPEN_MS);
    flow.scripts.shadow = replies;
    await ask(flow);
    await ask(flow);
    expect(flow.outcomes()).toEqual({ failed: FAILURES_TO_OPEN, dropped_breaker: 2, completed: 2 });
    expect(flow.defects).toEqual([]);
  });

  test('that refuses the request as such is well', async () => {
    const flow = await start({ shadow: failsWith(400) });
    for (let at = 0; at < FAILURES_TO_OPEN + 2; at++) await ask(flow);
    expect(flow.outcomes()).toEqual({ failed: FAILURES_TO_OPEN + 2 });
  });

  test('that does not answer in time is given up', async () => {
    const flow = await start({ policy: { timeoutMs: 100 }, shadow: isSilent });
    await ask(flow);
    expect(flow.outcomes()).toEqual({ failed: 1 });
    expect(flow.records('shadow')[0]!.end).toMatchObject({ errorCode: 'upstream_timeout', outcome: 'failed' });
    expect(flow.aborted).toHaveLength(1);
  });

  test('that cannot be called as it is configured, and one that the request cannot be put to, have their rows, and no alarm', async () => {
    const unusable = await start({
      change({ providers }) {
        Object.assign(providers[1]!, { kind: 'bedrock' }); // without a key
      },
    });
    await ask(unusable);
    const deaf = await start({
      change({ providers }) {
        Object.assign(providers[1]!, { kind: 'anthropic', credentials: null });
      },
    });
    await ask(deaf, { messages: [{ role: 'user', content: 'Hi' }], logit_bias: { 1: 1 } });
    for (const flow of [unusable, deaf]) {
      expect(flow.outcomes()).toEqual({ failed: 1 });
      expect(flow.records('shadow')[0]!.end).toMatchObject({ outcome: 'failed', attempts: [] });
      expect(flow.defects).toEqual([]);
      expect(flow.records('caller')[0]!.end).toMatchObject({ outcome: 'completed' });
    }
  });

  test('a defect of ours in its call ends that call alone, with a line in the log', async () => {
    const defect = new TypeError('cannot be written');
    const flow = await start({
      shadow: () => {
        throw defect;
      },
    });
    expect((await ask(flow)).status).toBe(200);
    expect(flow.defects).toEqual([defect]);
    expect(flow.records('shadow')[0]!.end).toMatchObject({ outcome: 'failed', errorCode: 'internal' });
  });
});

test('stopping: nothing new is mirrored; what is under way is cut after the grace and recorded', async () => {
  const flow = await start({ shadow: isSilent });
  await (await flow.chat()).text();
  await waitFor('a call under way', () => flow.order.includes('shadow'));
  flow.mirrors.refuse();
  await ask(flow);
  expect(flow.outcomes()).toEqual({ dropped_busy: 1 });
  await flow.mirrors.settle(20);
  expect(flow.records('shadow')[0]!.end).toMatchObject({ outcome: 'failed', errorCode: 'interrupted' });
  expect(flow.outcomes()).toEqual({ dropped_busy: 1, failed: 1 });
});
