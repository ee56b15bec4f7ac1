import { z } from 'zod';
import type { Answer, AnswerContext, Call, Problem, StreamEvent } from '../../dialect.ts';
import { createRandom, drawText } from '../../random.ts';
import { composeAnswer } from '../../tokens.ts';
import { badRequest } from './errors.ts';
import { digestInput } from './prompt.ts';
import { fitLength, usageOf } from './usage.ts';

const tokenNumbers = z.array(z.int()).min(1);

const completionRequest = z.object({
  model: z.string().min(1).max(256),
  prompt: z.union([z.string(), tokenNumbers, z.array(z.string()).min(1), z.array(tokenNumbers).min(1)]),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  max_tokens: z.int().positive().nullish(),
  n: z.int().min(1).max(128).nullish(),
});

type CompletionRequest = z.output<typeof completionRequest>;

/** `POST /v1/completions`. Unlike OpenAI's, the answer is not limited to 16 tokens when the request sets no limit. */
export function readCompletion(body: unknown): Call | Problem {
  const parsed = completionRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error, body);
  const request = parsed.data;
  const stream = request.stream ?? false;
  return { kind: 'call', model: request.model, stream, answer: (context) => answerCompletion(request, context) };
}

/** One text, or one list of token numbers, is one prompt; a list of either is as many. */
function promptsOf(prompt: CompletionRequest['prompt']): (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return prompt.every((item) => typeof item === 'number') ? [prompt] : prompt;
}

function answerCompletion(request: CompletionRequest, context: AnswerContext): Answer {
  const { behaviour, seed, random, createdSeconds } = context;
  const { model } = request;
  const prompts = promptsOf(request.prompt).map(digestInput);
  const length = fitLength(behaviour.answerTokens, request.max_tokens ?? null);
  const choices = prompts.flatMap(({ hash }) =>
    Array.from({ length: request.n ?? 1 }, (_, choice) =>
      composeAnswer(model, createRandom(`text ${seed} ${model} ${hash} ${choice}`), length.shownTokens),
    ),
  );
  const promptTokens = prompts.reduce((sum, prompt) => sum + prompt.tokens, 0);
  const completionTokens = length.shownTokens * choices.length;
  const usage = usageOf(behaviour, promptTokens, { completionTokens, reasoningTokens: 0 });
  const identity = { id: `cmpl-${drawText(random, 29)}`, object: 'text_completion', created: createdSeconds, model };
  const tokens = completionTokens;
  const choice = (text: string, index: number, finish: string | null) => {
    return { text, index, logprobs: null, finish_reason: finish };
  };
  if (!request.stream) {
    const made = choices.map((parts, index) => choice(parts.join(''), index, length.finishReason));
    return { kind: 'plain', body: JSON.stringify({ ...identity, choices: made, usage }), tokens };
  }

  const onLastChoice = behaviour.usage === 'on-last-choice';
  const usageChunk = (request.stream_options?.include_usage ?? false) && usage !== undefined && !onLastChoice;
  const event = (made: object[], tokens: number, end: object = usageChunk ? { usage: null } : {}): StreamEvent => ({
    data: JSON.stringify({ ...identity, choices: made, ...end }),
    tokens,
  });
  function* events(): Iterable<StreamEvent> {
    for (let at = 0; at < length.shownTokens; at++) {
      for (const [index, parts] of choices.entries()) yield event([choice(parts[at]!, index, null)], 1);
    }
    for (const index of choices.keys()) {
      const last = onLastChoice && index === choices.length - 1;
      yield event([choice('', index, length.finishReason)], 0, last ? { usage } : undefined);
    }
    if (usageChunk) yield event([], 0, { usage });
  }
  return { kind: 'stream', events: events(), terminator: { data: '[DONE]', tokens: 0 }, tokens };
}
