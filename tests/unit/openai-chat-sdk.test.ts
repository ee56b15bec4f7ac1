// What the official SDK makes of translated answers: its helper puts the stream together to what the plain answer says.
import OpenAI, { APIError } from 'openai';
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { ReplyCollector } from '#translation/chat/collect.ts';
import type { AnswerContext } from '#translation/chat/dialect.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import { NO_USAGE } from '#translation/chat/reply.ts';
import { NO_SETTINGS } from '#translation/chat/request.ts';
import { openaiChatDialect } from '#translation/dialects/openai-chat/dialect.ts';
import { errorEvent } from '#translation/dialects/openai-chat/errors.ts';

type Written = Exclude<ChatEvent, { type: 'end' | 'error' }>;

const context: AnswerContext = {
  inferenceId: '01890a5d-ac96-774b-bcce-b302099a8057',
  createdUnixS: 1_741_569_952,
  request: {
    model: 'group',
    stream: true,
    streamUsage: true,
    system: [],
    messages: [],
    tools: [],
    settings: NO_SETTINGS,
    spelling: {},
    extras: [],
  },
  framing: 'sse',
};
const ask = { model: 'group', messages: [{ role: 'user' as const, content: 'Hello' }] };

const at = (part: number) => ({ candidate: 0, part });
const delta = (part: number, text: string): Written => ({ type: 'delta', ...at(part), kind: 'text', text });
const close = (part: number): Written => ({ type: 'close', ...at(part) });
const finish = (reason: 'stop' | 'tool_calls' | 'refusal'): Written => {
  return { type: 'finish', candidate: 0, finish: reason, rawFinish: null, stopSequence: null };
};
const START: Written = { type: 'start', id: 'msg_1', model: 'claude', usage: null };
const USAGE: Written = { type: 'usage', usage: { ...NO_USAGE, inputTokens: 5, outputTokens: 7, cachedTokens: 2 } };
const signature = { origin: 'anthropic', value: 'abc' } as const;

const STREAMS: Record<string, readonly Written[]> = {
  'text with citations': [
    START,
    { type: 'begin', ...at(0), kind: 'text' },
    delta(0, 'The sky '),
    close(0),
    { type: 'begin', ...at(1), kind: 'text' },
    delta(1, 'is '),
    {
      type: 'delta',
      ...at(1),
      kind: 'citation',
      citation: {
        kind: 'url',
        url: 'https://x.example',
        title: 'X',
        citedText: null,
        startIndex: null,
        endIndex: null,
      },
    },
    delta(1, 'blue'),
    close(1),
    finish('stop'),
    USAGE,
  ],
  'signed thoughts and parallel calls in turns': [
    START,
    { type: 'begin', ...at(0), kind: 'reasoning' },
    delta(0, 'hm'),
    { type: 'delta', ...at(0), kind: 'signature', signature, redacted: false },
    close(0),
    { type: 'begin', ...at(1), kind: 'tool_call', id: 'a', name: 'f' },
    { type: 'begin', ...at(2), kind: 'tool_call', id: null, name: 'g' },
    delta(2, '{"b":'),
    delta(1, '{"a":1}'),
    { type: 'delta', ...at(1), kind: 'signature', signature: { origin: 'google', value: 's' }, redacted: false },
    delta(2, '2}'),
    close(1),
    close(2),
    finish('tool_calls'),
    USAGE,
  ],
  'a refusal': [START, { type: 'begin', ...at(0), kind: 'refusal' }, delta(0, 'no'), close(0), finish('refusal')],
  'nothing at all': [START, finish('stop')],
};

function clientFor(body: string, type: string): OpenAI {
  const answer = async () => new Response(body, { headers: { 'content-type': type } });
  return new OpenAI({ apiKey: 'sk-test', baseURL: 'http://127.0.0.1/v1', maxRetries: 0, fetch: answer });
}

function streamOf(events: readonly Written[]): string {
  const writer = openaiChatDialect.openWriter(context);
  const body = events.map((event) => writer.write(event)).join(openaiChatDialect.keepAlive('sse') ?? '');
  return body + writer.end();
}

describe.each(Object.entries(STREAMS))('%s', (_, events) => {
  test('streamed as plain', async () => {
    const collector = new ReplyCollector();
    for (const event of events) collector.take(event);
    const body = openaiChatDialect.writeReply(collector.reply(), context);
    const plain = await clientFor(body, 'application/json').chat.completions.create(ask);
    const stream = clientFor(streamOf(events), 'text/event-stream').chat.completions.stream({ ...ask, stream: true });
    const streamed = await stream.finalChatCompletion();
    // Only what the helper itself adds (`parsed`) or leaves out (`refusal: null`) differs.
    expect(JSON.parse(JSON.stringify(streamed))).toMatchObject({
      ...plain,
      choices: plain.choices.map(({ message: { refusal, ...message }, ...choice }) => ({
        ...choice,
        message: refusal === null ? message : { ...message, refusal },
      })),
    });
  });
});

test('an error in a stream is raised where it comes', async () => {
  const error = new RingsideError('upstream_error', 'The provider failed.');
  const writer = openaiChatDialect.openWriter(context);
  const body =
    writer.write(START) + writer.write({ type: 'begin', ...at(0), kind: 'text' }) + writer.write(delta(0, 'Hi'));
  const client = clientFor(body + errorEvent(error), 'text/event-stream');
  let seen = '';
  const reading = (async () => {
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
      seen += chunk.choices[0]?.delta.content ?? '';
    }
  })();
  await expect(reading).rejects.toThrow(APIError);
  await expect(reading).rejects.toThrow('The provider failed.');
  expect(seen).toBe('Hi');
});
