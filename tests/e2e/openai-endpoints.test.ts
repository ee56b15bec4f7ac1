import { createHash } from 'node:crypto';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** The official client at everything that OpenAI has beside chats, through a real gateway to the simulator. */
let stack: Stack;
let client: OpenAI;
let key: string;
const model = 'media';

beforeAll(async () => {
  stack = await startStack({ env: { RINGSIDE_SHIP_AFTER_MS: '10' } });
  key = await stack.createGroup(model, { 'sim-m': 10_000 });
  client = new OpenAI({ baseURL: `${stack.gatewayUrl}/v1`, apiKey: key, maxRetries: 0 });
});
afterAll(() => stack.stop());

const simulate = (behaviour: object) =>
  fetch(`${stack.simulatorUrl}/_sim/models/sim-m`, { method: 'PUT', body: JSON.stringify(behaviour) });
const lastUpstream = async () => {
  const page = (await (await fetch(`${stack.simulatorUrl}/_sim/requests?model=sim-m`)).json()) as {
    items: { body: string; headers: Record<string, string>; path: string }[];
  };
  return page.items.at(-1)!;
};

interface Row {
  readonly operation: string;
  readonly dialect: string;
  readonly streamed: boolean;
  readonly outcome: string;
  readonly endReason: string;
  readonly finishReason: string | null;
  readonly usage: { inputTokens: number | null; outputTokens: number | null };
  readonly request: Side;
  readonly response: Side;
}
interface Side {
  readonly bytes: number;
  readonly missing: string | null;
  readonly body: unknown;
  readonly contentType?: string;
  readonly redacted: boolean;
  readonly cutBy: string[];
}

async function rowOf(response: { headers: Headers }): Promise<Row> {
  const id = response.headers.get('x-ringside-inference-id');
  return waitFor('the row', async () => {
    const answer = await stack.api<Row>('GET', `/inferences/${id}`);
    return answer.status === 200 ? answer.body : undefined;
  });
}

/** Bytes that are no text in any encoding. */
const sound = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 167 + (index >> 7)) & 0xff));
const soundFile = () => toFile(sound, 'talk one.mp3', { type: 'audio/mpeg' });

describe('JSON in, JSON out', () => {
  test('moderations', async () => {
    const { data, response } = await client.moderations.create({ model, input: ['hello', 'I kill'] }).withResponse();
    expect(data.results.map(({ flagged }) => flagged)).toEqual([false, true]);
    expect(await lastUpstream()).toMatchObject({
      path: '/v1/moderations',
      headers: { authorization: 'Bearer sk-planted-canary' },
    });
    expect(await rowOf(response)).toMatchObject({
      operation: 'moderations',
      dialect: 'openai',
      outcome: 'completed',
      usage: { inputTokens: null },
      request: { body: { model, input: ['hello', 'I kill'] } },
    });
  });

  test('rerank, with its usage', async () => {
    const { data, response } = await client
      .post('/rerank', { body: { model, query: 'red boxing gloves', documents: ['a rope', 'red gloves'], top_n: 1 } })
      .withResponse();
    expect(data).toMatchObject({ results: [{ index: 1, document: { text: 'red gloves' } }] });
    const row = await rowOf(response);
    expect(row).toMatchObject({ operation: 'rerank', usage: { outputTokens: null } });
    expect(row.usage.inputTokens).toBe((data as { usage: { total_tokens: number } }).usage.total_tokens);
  });

  test('images of several megabytes, with the usage behind them', async () => {
    await simulate({ answerTokens: 8_000 });
    const { data, response } = await client.images
      .generate({ model, prompt: 'A ring', n: 2, user: 'ann' })
      .withResponse();
    await simulate({});
    expect(Buffer.from(data.data![1]!.b64_json!, 'base64').length).toBe(8_000 * 256);
    const row = await rowOf(response);
    expect(row).toMatchObject({ operation: 'image-generations', unit: 'ann', response: { cutBy: ['limit'] } });
    expect(row.usage).toMatchObject({ inputTokens: data.usage!.input_tokens, outputTokens: 16_000 });
  });
});

describe('streams', () => {
  test('images: partial ones and the last, whose usage is recorded', async () => {
    await simulate({ answerTokens: 6_000 });
    const { data, response } = await client.images
      .generate({ model, prompt: 'A bell', stream: true, partial_images: 2 })
      .withResponse();
    const types: string[] = [];
    for await (const event of data) types.push(event.type);
    await simulate({});
    expect(types).toEqual([
      ...['image_generation.partial_image', 'image_generation.partial_image', 'image_generation.completed'],
    ]);
    expect(await rowOf(response)).toMatchObject({
      streamed: true,
      outcome: 'completed',
      finishReason: 'image_generation.completed',
      sentUpstream: { model: 'sim-m', addedUsage: false },
      usage: { outputTokens: 6_000 },
    });
  });

  test.each([1, 64])('a transcript, in pieces of %i bytes', async (bytes) => {
    await simulate({ chunking: { bytes } });
    const { data, response } = await client.audio.transcriptions
      .create({ model, file: await soundFile(), stream: true })
      .withResponse();
    let text = '';
    let done = '';
    for await (const event of data) {
      if (event.type === 'transcript.text.delta') text += event.delta;
      if (event.type === 'transcript.text.done') done = event.text;
    }
    await simulate({});
    expect(text).not.toBe('');
    expect(text).toBe(done);
    const plain = await client.audio.transcriptions.create({ model, file: await soundFile() });
    expect(text).toBe(plain.text);
    const row = await rowOf(response);
    expect(row).toMatchObject({ operation: 'transcriptions', streamed: true, finishReason: 'transcript.text.done' });
    expect(row.usage.outputTokens).toBeGreaterThan(0);
    expect(row.response).toMatchObject({ missing: null, cutBy: [] });
  });

  test('speech as events', async () => {
    const { response } = await client.audio.speech
      .create({ model, voice: 'alloy', input: 'Ding', stream_format: 'sse' })
      .withResponse();
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(await response.text()).toContain('"type":"speech.audio.done"');
    expect(await rowOf(response)).toMatchObject({
      operation: 'speech',
      streamed: true,
      finishReason: 'speech.audio.done',
    });
  });

  test('a stream that fails, or breaks off, is an error for the caller and the log', async () => {
    await simulate({ streamError: { afterTokens: 2, status: 500 } });
    const failing = await client.audio.transcriptions.create({ model, file: await soundFile(), stream: true });
    const drain = async () => {
      for await (const _ of failing);
    };
    await expect(drain()).rejects.toThrow(OpenAI.APIError);
    await simulate({ truncate: true });
    const { data, response } = await client.audio.transcriptions
      .create({ model, file: await soundFile(), stream: true })
      .withResponse();
    for await (const _ of data);
    await simulate({});
    expect((await rowOf(response)).response.cutBy).toContain('interrupted');
  });
});

describe('bytes', () => {
  test('speech is passed on byte for byte, and its bytes are counted only', async () => {
    const { data, response } = await client.audio.speech
      .create({ model, voice: 'alloy', input: 'Step, jab', response_format: 'mp3' })
      .withResponse();
    const heard = Buffer.from(await data.arrayBuffer());
    const direct = await fetch(`${stack.simulatorUrl}/v1/audio/speech`, {
      method: 'POST',
      body: JSON.stringify({ model: 'sim-m', voice: 'alloy', input: 'Step, jab', response_format: 'mp3' }),
    });
    expect(response.headers.get('content-type')).toBe('audio/mpeg');
    expect(digest(heard)).toBe(digest(Buffer.from(await direct.arrayBuffer())));
    expect(heard.length).toBe(32 * 1_024);
    expect(await rowOf(response)).toMatchObject({
      outcome: 'completed',
      request: { missing: null, body: { input: 'Step, jab' } },
      response: { missing: 'binary', body: null, bytes: heard.length, contentType: 'audio/mpeg' },
    });
  });

  test.each(['text', 'srt', 'vtt', 'verbose_json'] as const)('a translation as %s', async (format) => {
    const { data, response } = await client.audio.translations
      .create({ model, file: await soundFile(), response_format: format })
      .withResponse();
    const text = typeof data === 'string' ? data : (data as { text: string }).text;
    expect(text).toContain('[sim-m]');
    const row = await rowOf(response);
    expect(row).toMatchObject({
      operation: 'translations',
      request: { missing: 'binary' },
      response: { missing: null },
    });
    expect(JSON.stringify(row.response.body)).toContain('[sim-m]');
  });

  test('images made from others; of the form only the model is another', async () => {
    const { response } = await client.images
      .edit({
        model,
        image: [await toFile(sound, 'a.png'), await toFile(sound, 'ä.png')],
        prompt: 'model',
        user: 'bob',
      })
      .withResponse();
    const sent = await lastUpstream();
    expect(sent.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/);
    expect(sent.path).toBe('/v1/images/edits');
    expect(await rowOf(response)).toMatchObject({
      operation: 'image-edits',
      unit: 'bob',
      request: { missing: 'binary' },
    });
    const varied = await client.images.createVariation({ model, image: await toFile(sound, 'a.png') });
    expect(varied.data!.length).toBe(1);
    expect((await lastUpstream()).headers['accept-encoding']).toBe('identity');
  });

  test.each([1, 7, 4_096])('a form in chunks of %i bytes is the same form', async (size) => {
    const file = new Blob([sound.subarray(0, size === 1 ? 500 : sound.length)]);
    const form = new FormData();
    form.set('file', file, 'x.mp3');
    form.set('model', model);
    const whole = new Request('http://x', { method: 'POST', body: form });
    const bytes = new Uint8Array(await whole.clone().arrayBuffer());
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    const headers = { authorization: `Bearer ${key}`, 'content-type': whole.headers.get('content-type')! };
    const send = (body: Uint8Array<ArrayBuffer> | ReadableStream) =>
      fetch(`${stack.gatewayUrl}/v1/audio/transcriptions`, { method: 'POST', body, headers, duplex: 'half' });
    const [cut, plain] = [await send(ReadableStream.from(chunks)), await send(bytes)];
    expect(cut.status).toBe(200);
    expect(await cut.json()).toEqual(await plain.json());
  });

  test('the file reaches the upstream unchanged', async () => {
    const plain = await client.audio.transcriptions.create({ model, file: await soundFile() });
    const form = new FormData();
    form.set('model', 'sim-m');
    form.set('file', new Blob([sound]), 'x');
    const direct = await fetch(`${stack.simulatorUrl}/v1/audio/transcriptions`, { method: 'POST', body: form });
    expect(plain.text).toBe(((await direct.json()) as { text: string }).text);
  });

  test('where a group redacts, nobody can say what is in them', async () => {
    const redacting = await stack.createGroup('shy', { 'sim-s': 10_000 });
    const changed = await stack.api('PATCH', '/groups/shy', { capture: { redaction: { detectors: ['email'] } } });
    expect(changed.status).toBe(200);
    const shy = new OpenAI({ baseURL: `${stack.gatewayUrl}/v1`, apiKey: redacting, maxRetries: 0 });
    const row = await waitFor('the policy to be served', async () => {
      const { response } = await shy.audio.speech
        .create({ model: 'shy', voice: 'alloy', input: 'ann@example.com' })
        .withResponse();
      await response.arrayBuffer();
      const found = await rowOf(response);
      return found.request.redacted ? found : undefined;
    });
    expect(JSON.stringify(row.request.body)).not.toContain('ann@');
    expect(row.response).toMatchObject({ redacted: true, cutBy: ['unreadable'], body: '[redacted:unreadable]' });
    const { response } = await shy.audio.transcriptions
      .create({ model: 'shy', file: await soundFile() })
      .withResponse();
    expect((await rowOf(response)).request).toMatchObject({ cutBy: ['unreadable'], body: '[redacted:unreadable]' });
  });

  test('the exports and the search read every row', async () => {
    for (const format of ['jsonl', 'csv']) {
      const answer = await fetch(`${stack.controlUrl}/api/v1/inferences:export?group=${model}&format=${format}`, {
        headers: { authorization: `Bearer ${stack.adminToken}` },
      });
      const text = await answer.text();
      expect(answer.status).toBe(200);
      expect(text).not.toContain('\ufffd');
      if (format === 'jsonl') for (const line of text.trim().split('\n')) JSON.parse(line);
    }
    const found = await stack.api<{ items: unknown[] }>('GET', `/inferences?group=${model}&q=jab`);
    expect(found.body.items.length).toBeGreaterThan(0);
  });
});

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('bad input', () => {
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${stack.gatewayUrl}${path}`, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${key}`, ...headers },
    });
  const errorOf = async (answer: Response) => {
    const { error } = (await answer.json()) as { error: { code: string; param: string | null; message: string } };
    return { status: answer.status, code: error.code, param: error.param };
  };
  const boundary = 'XyZ-0123456789';
  const form = (...parts: string[]) =>
    post(
      '/v1/audio/transcriptions',
      `${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`,
      {
        'content-type': `multipart/form-data; boundary=${boundary}`,
      },
    );
  const field = (name: string, value: string) => `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`;

  test('forms that servers could read in two ways, each naming its part', async () => {
    const refused = { status: 400, code: 'bad_request' };
    const good = field('model', model);
    expect(await errorOf(await form(field('prompt', 'x')))).toEqual({ ...refused, param: 'model' });
    expect(await errorOf(await form(good, field('model', 'other')))).toEqual({ ...refused, param: 'model' });
    expect(await errorOf(await form(good, field('Model', 'other')))).toEqual({ ...refused, param: 'model' });
    expect(await errorOf(await form(good, field('model[]', 'other')))).toEqual({ ...refused, param: 'model' });
    expect(await errorOf(await form(good, field('stream', 'yes')))).toEqual({ ...refused, param: 'stream' });
    expect(await errorOf(await form(good, field('fallbacks', 'x')))).toMatchObject({ param: 'fallbacks' });
    expect(await errorOf(await form(field('model', 'nope')))).toEqual({
      status: 404,
      code: 'model_not_found',
      param: 'model',
    });
    const json = await post('/v1/audio/transcriptions', JSON.stringify({ model }), {
      'content-type': 'application/json',
    });
    expect(await errorOf(json)).toEqual({ status: 415, code: 'bad_request', param: 'content-type' });
    const two = await post('/v1/images/edits', 'x', { 'content-type': 'multipart/form-data; boundary=a; boundary=b' });
    expect(await errorOf(two)).toEqual({ ...refused, param: 'content-type' });
  });

  test('what the upstream refuses keeps its words', async () => {
    expect(await errorOf(await form(field('model', model)))).toEqual({
      status: 400,
      code: 'upstream_rejected',
      param: 'file',
    });
  });

  test.each(['/v1/moderations', '/v1/rerank', '/v1/images/generations', '/v1/audio/speech'])('%s', async (path) => {
    expect(await errorOf(await post(path, '{'))).toMatchObject({ status: 400, code: 'bad_request' });
    expect(await errorOf(await post(path, '{"model":"a","model":"b"}'))).toMatchObject({ status: 400, param: 'model' });
    expect(await errorOf(await post(path, '{"input":"x"}'))).toMatchObject({ status: 400, param: 'model' });
    expect(await errorOf(await post(path, `{"model":"${model}","provider":"x"}`))).toMatchObject({ param: 'provider' });
    expect(await errorOf(await post(path, `{"model":"${model}"}`))).toMatchObject({
      status: 400,
      code: 'upstream_rejected',
    });
    expect((await post(path, '{}', { authorization: 'Bearer no' })).status).toBe(401);
    expect((await fetch(`${stack.gatewayUrl}${path}`)).status).toBe(405);
  });

  test('an upstream that answers errors, or resets', async () => {
    const speak = () => client.audio.speech.create({ model, voice: 'alloy', input: 'x' });
    await simulate({ errors: [{ status: 429, rate: 1 }] });
    await expect(speak()).rejects.toThrow(OpenAI.RateLimitError);
    await simulate({ resetRate: 1, resetAfterTokens: 3 });
    const cut = await speak()
      .then((answer) => answer.arrayBuffer())
      .catch((reason: unknown) => reason);
    expect(cut).toBeInstanceOf(Error);
    await simulate({});
  });
});

describe('what is known and not served', () => {
  test.each([
    ['files.list', () => client.files.list()],
    ['files.create', async () => client.files.create({ file: await soundFile(), purpose: 'batch' })],
    ['files.delete', () => client.files.delete('file-1')],
    [
      'batches',
      () => client.batches.create({ input_file_id: 'x', endpoint: '/v1/embeddings', completion_window: '24h' }),
    ],
    ['fine-tuning', () => client.fineTuning.jobs.list()],
    ['vector stores', () => client.vectorStores.retrieve('vs_1')],
    ['uploads', () => client.uploads.create({ bytes: 1, filename: 'a', mime_type: 'b', purpose: 'batch' })],
    ['assistants', () => client.beta.assistants.list()],
    ['realtime', () => client.realtime.clientSecrets.create({})],
  ])('%s', async (_name, call) => {
    const error = await call().then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code: 'unsupported_operation' });
    expect((error as Error).message).toMatch(/not served|not kept/);
  });

  test('an unknown path is still unknown', async () => {
    expect((await fetch(`${stack.gatewayUrl}/v1/filesystem`)).status).toBe(404);
  });
});

describe('lists of models', () => {
  test('as Anthropic lists them, in pages', async () => {
    const anthropic = new Anthropic({ baseURL: stack.gatewayUrl, apiKey: key, maxRetries: 0 });
    const all = (await client.models.list()).data.map(({ id }) => id);
    const listed: string[] = [];
    for await (const one of anthropic.models.list({ limit: 1 })) listed.push(one.id);
    expect(listed).toEqual(all);
    expect(listed.length).toBeGreaterThan(1);
    const one = await anthropic.models.retrieve(model);
    expect(one).toMatchObject({ type: 'model', id: model, display_name: model, max_tokens: null });
    expect(Number.isNaN(Date.parse(one.created_at))).toBe(false);
    await expect(anthropic.models.retrieve('nope')).rejects.toThrow(Anthropic.NotFoundError);
    await expect(anthropic.models.list({ limit: 0 })).rejects.toThrow(Anthropic.BadRequestError);
    const stranger = new Anthropic({ baseURL: stack.gatewayUrl, apiKey: 'rsk_wrong', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toThrow(Anthropic.AuthenticationError);
  });
});
