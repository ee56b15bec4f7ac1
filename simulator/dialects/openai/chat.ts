import { z } from 'zod';
import type { Answer, AnswerContext, Call, Problem, StreamEvent } from '../../dialect.ts';
import { createRandom, drawText, hashText } from '../../random.ts';
import { composeAnswer } from '../../tokens.ts';
import { badRequest } from './errors.ts';
import { digestMessages } from './prompt.ts';
import { type AnswerLength, fitLength, usageOf } from './usage.ts';

const maxTokens = z.int().positive().nullish();

const chatRequest = z
  .object({
    model: z.string().min(1).max(256),
    messages: z.array(z.object({ role: z.string(), content: z.unknown().optional() })).min(1),
    stream: z.boolean().nullish(),
    stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
    max_tokens: maxTokens,
    max_completion_tokens: maxTokens,
    n: z.int().min(1).max(128).nullish(),
    tools: z.array(z.unknown()).optional(),
  })
  .refine((body) => body.stream || !body.stream_options, {
    path: ['stream_options'],
    message: "the 'stream_options' parameter is only allowed when 'stream' is enabled",
  });

type ChatRequest = z.output<typeof chatRequest>;

/** An answer before it is written plain or as a stream. */
interface Draft {
  readonly id: string;
  readonly model: string;
  readonly createdSeconds: number;
  readonly fingerprint: string;
  /** One list of tokens per choice. */
  readonly choices: readonly (readonly string[])[];
  readonly length: AnswerLength;
  readonly usage: ReturnType<typeof usageOf>;
}

/** `POST /v1/chat/completions`. */
export function readChat(body: unknown): Call | Problem {
  const parsed = chatRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error, body);
  const request = parsed.data;
  return {
    kind: 'call',
    model: request.model,
    stream: request.stream ?? false,
    answer: (context) => (request.stream ? streamChat(request, context) : plainChat(request, context)),
  };
}

function draftChat(request: ChatRequest, { seed, behaviour, random, createdSeconds }: AnswerContext): Draft {
  const { model } = request;
  const count = request.n ?? 1;
  const prompt = digestMessages(request.messages, request.tools);
  const limit = request.max_completion_tokens ?? request.max_tokens ?? null;
  const length = fitLength(behaviour.answerTokens, behaviour.reasoningTokens, limit);
  const choices = Array.from({ length: count }, (_, choice) =>
    composeAnswer(model, createRandom(`chat ${seed} ${model} ${prompt.hash} ${choice}`), length.shownTokens),
  );
  const fingerprint = `fp_${hashText(model, seed).toString(16).padStart(10, '0')}`;
  const usage = usageOf(behaviour, prompt.tokens, count, length);
  return { id: `chatcmpl-${drawText(random, 29)}`, model, createdSeconds, fingerprint, choices, length, usage };
}

function plainChat(request: ChatRequest, context: AnswerContext): Answer {
  const { id, model, createdSeconds, fingerprint, choices, length, usage } = draftChat(request, context);
  const body = JSON.stringify({
    id,
    object: 'chat.completion',
    created: createdSeconds,
    model,
    choices: choices.map((tokens, index) => ({
      index,
      message: { role: 'assistant', content: tokens.join(''), refusal: null, annotations: [] },
      logprobs: null,
      finish_reason: length.finishReason,
    })),
    usage,
    service_tier: 'default',
    system_fingerprint: fingerprint,
  });
  return { kind: 'plain', body, tokens: length.shownTokens * choices.length };
}

function streamChat(request: ChatRequest, context: AnswerContext): Answer {
  const draft = draftChat(request, context);
  const asked = request.stream_options?.include_usage ?? false;
  return {
    kind: 'stream',
    events: chatEvents(draft, asked, context.behaviour.usage === 'on-last-choice'),
    terminator: { data: '[DONE]', tokens: 0 },
    tokens: draft.length.shownTokens * draft.choices.length,
  };
}

/**
 * The chunks of a stream: role, tokens (the choices in turn), finish reasons and, if it was asked for, the usage in a
 * chunk without choices. Then all others say `"usage":null`. With `onLastChoice` the last finish reason carries it.
 */
function* chatEvents(draft: Draft, asked: boolean, onLastChoice: boolean): Iterable<StreamEvent> {
  const { id, model, createdSeconds, fingerprint, choices, length, usage } = draft;
  const identity = { id, object: 'chat.completion.chunk', created: createdSeconds, model, service_tier: 'default' };
  const head = `${JSON.stringify({ ...identity, system_fingerprint: fingerprint }).slice(0, -1)},"choices":[`;
  const usageChunk = asked && usage !== undefined && !onLastChoice;
  const nullUsage = usageChunk ? ',"usage":null' : '';
  const chunk = (choice: number, delta: string, finish: string, tokens: number, end = nullUsage): StreamEvent => ({
    data: `${head}{"index":${choice},"delta":${delta},"logprobs":null,"finish_reason":${finish}}]${end}}`,
    tokens,
  });
  for (let choice = 0; choice < choices.length; choice++) {
    yield chunk(choice, '{"role":"assistant","content":"","refusal":null}', 'null', 0);
  }
  // hot
  for (let at = 0; at < length.shownTokens; at++) {
    for (let choice = 0; choice < choices.length; choice++) {
      yield chunk(choice, `{"content":${JSON.stringify(choices[choice]![at])}}`, 'null', 1);
    }
  }
  for (let choice = 0; choice < choices.length; choice++) {
    const last = onLastChoice && choice === choices.length - 1;
    yield chunk(choice, '{}', `"${length.finishReason}"`, 0, last ? `,"usage":${JSON.stringify(usage)}` : nullUsage);
  }
  if (usageChunk) yield { data: `${head}],"usage":${JSON.stringify(usage)}}`, tokens: 0 };
}
