import type { OpenAIRealtimeError } from 'openai/realtime/internal-base';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSimulator, type Simulator } from '#simulator/server.ts';
import { openOfficialSession, openSession, Refused } from '../support/realtime.ts';
import { waitFor } from '../support/wait.ts';

/** The official client directly at the simulator. */
let simulator: Simulator;
let port: number;

beforeAll(async () => {
  simulator = createSimulator({
    requiredApiKey: 'sk-right',
    strictModels: true,
    behaviours: { voice: { answerTokens: 3 } },
  });
  ({ port } = await simulator.listen('127.0.0.1', 0));
});
afterAll(() => simulator.close());

test('sound in, sound out, and what was wrong', async () => {
  const client = openOfficialSession(port, 'sk-right', 'voice');
  const types: string[] = [];
  const errors: OpenAIRealtimeError[] = [];
  client.on('event', ({ type }) => types.push(type));
  client.on('error', (error) => errors.push(error));
  await waitFor('the session', () => types.includes('session.created'));
  client.send({ type: 'input_audio_buffer.append', audio: Buffer.alloc(24_000).toString('base64') });
  client.send({ type: 'input_audio_buffer.commit' });
  client.send({ type: 'response.create' });
  const done = new Promise<{ usage?: { input_tokens?: number; output_tokens?: number } }>((resolve) => {
    client.on('response.done', ({ response }) => resolve(response));
  });
  expect((await done).usage).toMatchObject({ input_tokens: 10, output_tokens: 3 });
  expect(types).toEqual([
    'session.created',
    'input_audio_buffer.committed',
    'conversation.item.added',
    'conversation.item.done',
    'response.created',
    'response.output_item.added',
    'response.content_part.added',
    ...Array<string>(3).fill('response.output_audio.delta'),
    'response.output_audio.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.done',
  ]);
  client.send({ type: 'conversation.item.create' } as never);
  await waitFor('the error', () => errors.length === 1);
  expect(errors[0]!.error).toMatchObject({ type: 'invalid_request_error', param: 'item' });
  client.close();
});

test.each([
  ['sk-wrong', 'voice', 401],
  ['sk-right', 'other', 404],
])('a handshake that is refused: %s, %s', async (key, model, status) => {
  const opening = openSession(`ws://127.0.0.1:${port}/v1/realtime?model=${model}`, [], {
    authorization: `Bearer ${key}`,
  });
  const error = await opening.then(
    () => expect.fail('it opened'),
    (reason: Refused) => reason,
  );
  expect(error).toBeInstanceOf(Refused);
  expect(error.status).toBe(status);
  expect(JSON.parse(error.body)).toHaveProperty('error.message');
});
