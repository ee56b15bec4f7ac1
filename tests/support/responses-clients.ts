import { createOpenAI } from '@ai-sdk/openai';
import { ChatOpenAI } from '@langchain/openai';
import OpenAI from 'openai';
import { RingsideError } from '#core/errors.ts';
import type { ChatReply } from '#translation/chat/reply.ts';
import type { ChatRequest } from '#translation/chat/request.ts';
import { openaiResponsesDialect as dialect } from '#translation/dialects/openai-responses/dialect.ts';
import { called, drawn, refused, replyOf, said, thought } from './model-parts.ts';
import { eventsOf } from './reply-events.ts';

const INFERENCE = '019ad0c6-2c1e-7abc-8def-0123456789ab';
const TARGET = { model: null, stream: null, framing: 'sse' } as const;

/** What stands between an SDK and the dialect: answers every request with `reply`. */
export function gateway(reply: ChatReply | RingsideError) {
  const requests: ChatRequest[] = [];
  const fetch = async (_url: unknown, init?: { body?: unknown }): Promise<Response> => {
    try {
      const request = dialect.readRequest(Buffer.from(String(init?.body)), TARGET);
      requests.push(request);
      const context = { inferenceId: INFERENCE, createdUnixS: 1_795_000_000, request, framing: 'sse' } as const;
      if (!request.stream) {
        if (reply instanceof RingsideError) throw reply;
        return new Response(dialect.writeReply(reply, context), { headers: { 'content-type': 'application/json' } });
      }
      const writer = dialect.openWriter(context);
      const whole = reply instanceof RingsideError ? replyOf([said('only the beginning')]) : reply;
      const written = [...eventsOf(whole)].map((event) => writer.write(event));
      const text =
        reply instanceof RingsideError
          ? written.slice(0, 3).join('') + dialect.errorEvent(reply, 'sse', false)
          : written.join(dialect.keepAlive('sse') ?? '') + writer.end();
      return new Response(text, { headers: { 'content-type': dialect.streamType('sse') } });
    } catch (reason) {
      const error = RingsideError.from(reason);
      return new Response(dialect.errorBody(error), {
        status: error.status,
        headers: { 'content-type': 'application/json' },
      });
    }
  };
  return {
    requests,
    openai: new OpenAI({ apiKey: 'k', maxRetries: 0, fetch }),
    langchain: new ChatOpenAI({
      model: 'group',
      apiKey: 'k',
      maxRetries: 0,
      useResponsesApi: true,
      configuration: { fetch },
    }),
    ai: createOpenAI({ apiKey: 'k', fetch: fetch as typeof globalThis.fetch }),
  };
}

export const anthropic = (value: string) => ({ origin: 'anthropic', value }) as const;
export const url = {
  kind: 'url',
  url: 'https://example.com',
  title: null,
  citedText: null,
  startIndex: 0,
  endIndex: 5,
} as const;
const document = {
  kind: 'document',
  documentIndex: 1,
  documentTitle: 'Rules',
  citedText: 'a ring',
  unit: 'char',
  from: 0,
  to: 6,
} as const;
const logprobs = [{ token: 'Hi', logprob: -0.5, bytes: [72, 105], top: [{ token: 'Ho', logprob: -1, bytes: null }] }];

/** Every kind of answer. */
export const REPLIES: Record<string, ChatReply> = {
  'a text': replyOf([said('I am a ring, and you?')]),
  'an empty text': replyOf([said('')]),
  nothing: replyOf([]),
  'text with citations and log probabilities': replyOf([said('Hi', { citations: [url, document] })], { logprobs }),
  'a refusal': replyOf([refused('I will not.')], { finish: 'refusal' }),
  'thoughts, signed': replyOf([thought('Let me see.', { signature: anthropic('sig==') }), said('Four.')]),
  'thoughts, hidden': replyOf([thought('', { redacted: anthropic('enc') }), said('Four.')]),
  'thoughts without proof': replyOf([thought('Hm.'), said('Four.')]),
  'parallel calls, one signed': replyOf(
    [
      called('weather', '{"city":"Oslo"}', { signature: { origin: 'google', value: 'a.b' } }),
      called('weather', '{}', { id: null }),
    ],
    { finish: 'tool_calls' },
  ),
  'text cut by the limit': replyOf([thought('Hm.'), said('Once upon a')], { finish: 'length' }),
  'a call cut by the limit': replyOf([called('weather', '{"ci')], { finish: 'length' }),
  'what a filter stopped': replyOf([said('So')], { finish: 'content_filter' }),
  'a refusal without words': replyOf([said('')], { finish: 'refusal' }),
  'an end without a reason of OpenAI': replyOf([said('So')], { finish: 'other' }),
  'an image': replyOf([said('Here:'), drawn('iVBORw0KGgo=')]),
  'no usage': { ...replyOf([said('So')]), usage: null },
};
