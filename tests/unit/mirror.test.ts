import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { unixMsOfId } from '#core/ids.ts';
import { isSampled } from '#core/sampling.ts';
import { FAILURES_TO_OPEN, OPEN_MS } from '#gateway/shadow/breaker.ts';
import {
  CALLER_SERIES,
  failsWith,
  isSilent,
  type MirrorFlowOptions,
  replies,
  SHADOW_SERIES,
  startMirrorFlow,
  type UpstreamScript,
} from '../support/mirror-flow.ts';
import { waitFor } from '../support/wait.ts';

type Flow = Awaited<ReturnType<typeof startMirrorFlow>>;
const flows: Flow[] = [];
afterEach(async () => {
  await Promise.all(flows.splice(0).map((flow) => flow.stop()));
});

async function start(options: MirrorFlowOptions = {}): Promise<Flow> {
  const flow = await startMirrorFlow(options);
  flows.push(flow);
  return flow;
}

/** Asks, reads the answer, and waits until the call's mirror is accounted for. */
async function ask(flow: Flow, fields: object = {}): Promise<Response> {
  const before = total(flow);
  const answer = await flow.chat(fields);
  await answer.text();
  await waitFor('the mirrored call to be counted', () => total(flow) > before);
  return answer;
}

const total = (flow: Flow) => Object.values(flow.outcomes()).reduce((sum, count) => sum + count, 0);

const event = (data: object | string) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const delta = (content: string) =>
  event({ object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] });
const streams =
  (text: string): UpstreamScript =>
  (handler, controller) => {
    handler.onRequestStart(controller);
    handler.onResponseStart(controller, 200, { 'content-type': 'text/event-stream' });
    handler.onResponseData(controller, Buffer.from(delta(text)));
    handler.onResponseData(controller, Buffer.from(event('[DONE]')));
    handler.onResponseEnd(controller);
  };

describe('a mirrored call', () => {
  test('is made when the caller has its answer, and recorded as an inference of its own, a pair with its original', async () => {
    const flow = await start();
    const answer = await ask(flow, { user: 'ann', metadata: { tier: 'gold' } });
    expect(flow.order).toEqual(['begun', 'caller', 'delivered', 'mirror begun', 'shadow', 'delivered']);
    const [original] = flow.records('caller');
    const [mirror] = flow.records('shadow');
    expect(answer.headers.get('x-ringside-inference-id')).toBe(original!.id);
    expect(mirror!.id).not.toBe(original!.id);
    expect(unixMsOfId(mirror!.id)).toBeGreaterThanOrEqual(unixMsOfId(original!.id));
    const { assignedVariant: _main, ...same } = original!.begin;
    expect(mirror!.begin).toEqual({ ...same, assignedVariant: 'second', shadowOf: original!.id });
    expect(mirror!.begin).toMatchObject({ unit: 'ann', unitSource: 'user', phase: 3, metadata: { tier: 'gold' } });
    expect(mirror!.end).toMatchObject({
      ...{ outcome: 'completed', status: 200, servedVariant: null, servedReason: 'shadow', endReason: 'body' },
      ...{
        inputTokens: 30,
        outputTokens: 12,
        attempts: [{ provider: 'shadowed', upstreamModel: 'second', status: 200 }],
      },
    });
    expect(original!.end).toMatchObject({ servedVariant: 'main', servedReason: 'assigned' });
    expect(mirror!.request).toEqual(original!.request);
    expect(mirror!.response).toEqual(original!.response);
    expect(flow.outcomes()).toEqual({ completed: 1 });
    expect(flow.defects).toEqual([]);
  });

  test('is no request of the caller in any figure', async () => {
    const flow = await start();
    await ask(flow);
    expect([flow.requests(CALLER_SERIES), flow.tokens(CALLER_SERIES)]).toEqual([1, 30]);
    expect([flow.requests(SHADOW_SERIES), flow.tokens(SHADOW_SERIES)]).toEqual([0, 0]);
    await waitFor('nothing to be in flight', () => flow.inFlight() === 0);
  });

  test('sends the same request, with the model that the shadow is and a span of its own in the caller’s trace', async () => {
    const calls: string[] = [];
    const keep: UpstreamScript = (handler, controller, call) => {
      calls.push(`${call.headers}\n${Buffer.concat(call.body)}`);
      replies(handler, controller, call);
    };
    const flow = await start({ caller: keep, shadow: keep });
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-01`, tracestate: 'a=1' };
    await (await flow.chat({ temperature: 0.5 }, { headers })).text();
    await waitFor('the mirrored call', () => calls.length === 2);
    const [own, mirrored] = calls.map((call) => {
      const [, span] = new RegExp(`traceparent: 00-${trace}-([0-9a-f]{16})-01`, 'i').exec(call)!;
      expect(call).toMatch(/tracestate: a=1/i);
      return { span, body: JSON.parse(call.slice(call.lastIndexOf('\n{') + 1)) };
    });
    expect(own!.span).not.toBe(mirrored!.span);
    expect([own!.body.model, mirrored!.body.model]).toEqual(['main', 'second']);
    expect({ ...mirrored!.body, model: '' }).toEqual({ ...own!.body, model: '' });
  });

  test('of a stream is read to its end, as fast as it comes', async () => {
    const flow = await start({ caller: streams('Hello'), shadow: streams('Bonjour') });
    await ask(flow, { stream: true });
    const [mirror] = flow.records('shadow');
    expect(mirror!.begin.streamed).toBe(true);
    expect(mirror!.end).toMatchObject({ outcome: 'completed', endReason: 'terminal_event' });
    expect(mirror!.end!.firstTokenNs).toBeGreaterThan(0);
    expect(mirror!.response!.toString()).toBe(delta('Bonjour') + event('[DONE]'));
  });

  test('counts in the experiment whose arm its shadow is, and in no other', async () => {
    const id = randomUUID();
    const inArm = await start({
      change({ models, groups }) {
        const arms = models.map((model) => ({ modelId: model.id, ranges: [] }));
        groups[0]!.experiment = { id, phase: 4, arms };
      },
    });
    await ask(inArm);
    expect(inArm.records('shadow')[0]!.begin.experiment).toEqual({ id, phase: 4, arm: 1 });
    const outside = await start({
      change({ models, groups }) {
        groups[0]!.experiment = { id, phase: 4, arms: [{ modelId: models[0]!.id, ranges: [[0, 10_000]] }] };
      },
    });
    await ask(outside);
    expect(outside.records('shadow')[0]!.begin.experiment).toBeUndefined();
  });

  test('is made at every shadow of the group, of one body', async () => {
    const held: number[] = [];
    let sum = 0;
    const budget = {
      take(bytes: number) {
        sum += bytes;
        held.push(sum);
        return true;
      },
      give(bytes: number) {
        sum -= bytes;
      },
    };
    const flow = await start({
      budget,
      change({ models, groups }) {
        const id = randomUUID();
        models.push({ ...models[1]!, id, name: 'third' });
        groups[0]!.variants.push({ modelId: id, role: 'shadow', weightBp: 0, ranges: [] });
      },
    });
    await (await flow.chat({ content: 'x'.repeat(400_000) })).text();
    await waitFor('both', () => flow.records('shadow').filter(({ end }) => end !== null).length === 2);
    expect(flow.records('shadow').map(({ begin }) => begin.assignedVariant)).toEqual(['second', 'third']);
    expect(new Set(flow.records('shadow').map(({ request }) => request!.toString('latin1'))).size).toBe(1);
    await waitFor('everything to be given back', () => sum === 0);
  });

  test.each([
    'full',
    'sampled',
    'none',
  ])('of a group that captures "%s" is kept where its original is', async (mode) => {
    const flow = await start({
      change({ groups }) {
        groups[0]!.capture = { mode, maxBytes: 65_536, sampleBp: 5_000 };
      },
    });
    for (let at = 0; at < 40; at++) await ask(flow);
    const originals = new Map(flow.records('caller').map((entry) => [entry.id, entry]));
    for (const { begin, request, response } of flow.records('shadow')) {
      const original = originals.get(begin.shadowOf!)!;
      const isKept = mode === 'full' || (mode === 'sampled' && isSampled(original.id, 5_000));
      expect([request !== null, response !== null]).toEqual([isKept, isKept]);
      expect(original.request !== null).toBe(isKept);
    }
    expect(flow.records('shadow')).toHaveLength(40);
  });
});

describe('what is not mirrored', () => {
  test('a request that was refused, and one whose provider failed', async () => {
    const flow = await start({ caller: failsWith(500) });
    expect((await flow.chat()).status).toBe(502);
    expect((await flow.post('{"model":')).status).toBe(400);
    flow.scripts.caller = replies;
    await ask(flow);
    expect(flow.records('shadow')).toHaveLength(1);
    expect(flow.outcomes()).toEqual({ completed: 1 });
  });

  test('an answer whose caller left in the middle', async () => {
    const isHalf: UpstreamScript = (handler, controller) => {
      handler.onRequestStart(controller);
      handler.onResponseStart(controller, 200, { 'content-type': 'text/event-stream' });
      handler.onResponseData(controller, Buffer.from(delta('Hel')));
    };
    const flow = await start({ caller: isHalf });
    const leave = new AbortController();
    const answer = await flow.chat({ stream: true }, { signal: leave.signal });
    const reader = answer.body!.getReader();
    await reader.read();
    leave.abort();
    await waitFor('the end', () => flow.records('caller')[0]?.end?.outcome === 'client_closed');
    flow.scripts.caller = replies;
    await ask(flow);
    expect(flow.records('shadow')).toHaveLength(1);
  });

  test('what is not drawn; it is not counted either', async () => {
    const flow = await start({ policy: { sampleBp: 1 } });
    for (let at = 0; at < 20; at++) await (await flow.chat()).text();
    expect(total(flow)).toBe(flow.records('shadow').length);
    expect(total(flow)).toBeLessThan(20);
  });

  test('anything, where the share is 0: nothing is bound', async () => {
    const flow = await start({ policy: { sampleBp: 0 } });
    expect(flow.organization.groups.get('g')!.mirror).toBeNull();
    await (await flow.chat()).text();
    expect(flow.order).toEqual(['begun', 'caller', 'delivered']);
  });

  test('forms, sound and images: skipped', async () => {
    const flow = await start();
    const form = new FormData();
    form.set('model', 'g');
    form.set('file', new Blob(['sound']), 'a.wav');
    await (await flow.post(form, '/v1/audio/transcriptions')).text();
    for (const path of ['/v1/audio/speech', '/v1/images/generations']) {
      await (await flow.post(JSON.stringify({ model: 'g', input: 'x', prompt: 'x', voice: 'v' }), path)).text();
    }
    expect(flow.outcomes()).toEqual({ skipped: 3 });
  });
});

describe('bounds', () => {
  test('as many at a time as the policy says; what comes beyond is dropped, and callers are served as ever', async () => {
    const flow = await start({ policy: { maxConcurrency: 2 }, shadow: isSilent });
    const answers = await Promise.all(Array.from({ length: 10 }, () => flow.chat()));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    await waitFor('drops', () => flow.outcomes()['dropped_concurrency'] === 8);
    expect(flow.records('shadow')).toHaveLength(2);
    await flow.mirrors.settle(0);
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
