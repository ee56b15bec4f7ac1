import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { unixMsOfId } from '#core/ids.ts';
import { isSampled } from '#core/sampling.ts';
import {
  CALLER_SERIES,
  countOf,
  createMirrorRig,
  failsWith,
  replies,
  SHADOW_SERIES,
  type UpstreamScript,
} from '../support/mirror-flow.ts';
import { waitFor } from '../support/wait.ts';

const rig = createMirrorRig();
const { start, ask } = rig;
afterEach(() => rig.stop());

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

  test('does not carry the caller’s idempotency key, which is that of the answered call', async () => {
    const heads: string[] = [];
    const keep: UpstreamScript = (handler, controller, call) => {
      heads.push(String(call.headers));
      replies(handler, controller, call);
    };
    const flow = await start({ caller: keep, shadow: keep });
    await (await flow.chat({}, { headers: { 'idempotency-key': 'once', 'openai-beta': 'assistants=v2' } })).text();
    await waitFor('the mirrored call', () => heads.length === 2);
    expect(heads.map((head) => /idempotency-key: once/i.test(head))).toEqual([true, false]);
    expect(heads.map((head) => /openai-beta: assistants=v2/i.test(head))).toEqual([true, true]);
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
    expect(countOf(flow)).toBe(flow.records('shadow').length);
    expect(countOf(flow)).toBeLessThan(20);
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
