import type { Answer, AnswerContext, StreamEvent } from '../../dialect.ts';
import type { Plan } from '../../plan.ts';

type Json = Record<string, unknown>;

/** One delta of a choice. */
export interface Delta {
  readonly delta: Json;
  readonly tokens: number;
  /** Fields of the choice beside it. */
  readonly more?: Json;
}

/** How one kind of server writes chat completions, where they are not all alike. */
export interface Style {
  /** Fields of an answer or a chunk beside its choices. `object` is added. */
  readonly head: Json;
  readonly plainObject: string;
  /** The message of a plain answer. */
  message(plan: Plan): Json;
  /** The same in pieces, the role first. */
  deltas(plan: Plan): Iterable<Delta>;
  finish(plan: Plan): string;
  /** Fields of every choice that is complete. */
  readonly choice: (plan: Plan) => Json;
  /** Where a stream has its usage: `own` is a chunk without choices. */
  readonly streamUsage: 'own' | 'last' | 'none';
  /** Events before the first and behind the last chunk of the choices. */
  readonly before: readonly Json[];
  readonly after: readonly Json[];
}

/** OpenAI's usage object over all choices; undefined where the behaviour sends none. */
export function usageOf(plans: readonly Plan[], mode: AnswerContext['behaviour']['usage']): Json | undefined {
  if (mode === 'missing') return undefined;
  const on = mode === 'zero' ? 0 : 1;
  const [first] = plans;
  const prompt = (first?.usage.promptTokens ?? 0) * on;
  const completion = plans.reduce((sum, { usage }) => sum + usage.outputTokens, 0) * on;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: (first?.usage.cachedTokens ?? 0) * on },
    completion_tokens_details: {
      reasoning_tokens: plans.reduce((sum, { usage }) => sum + usage.reasoningTokens, 0) * on,
    },
  };
}

/** Log probabilities of a piece of an answer, as OpenAI has them; `first` is its first token's place. */
export function logprobsOf(tokens: readonly string[], top: number, first = 0): Json {
  const entry = (token: string, logprob: number) => ({ token, logprob, bytes: [...Buffer.from(token)] });
  const content = tokens.map((token, index) => {
    const logprob = -(((first + index) % 8) + 1) / 8;
    const others = Array.from({ length: top }, (_, rank) => entry(rank === 0 ? token : `alt${rank}`, logprob - rank));
    return { ...entry(token, logprob), top_logprobs: others };
  });
  return { content, refusal: null };
}

export function plainCompletion(style: Style, plans: readonly Plan[], usage: Json | undefined): Answer {
  const choices = plans.map((plan, index) => ({
    index,
    message: style.message(plan),
    finish_reason: style.finish(plan),
    ...style.choice(plan),
  }));
  const body = { ...style.head, object: style.plainObject, choices, ...(usage === undefined ? {} : { usage }) };
  return { kind: 'plain', body: JSON.stringify(body), tokens: tokensOf(plans) };
}

export function streamedCompletion(style: Style, plans: readonly Plan[], usage: Json | undefined): Answer {
  return {
    kind: 'stream',
    events: chunksOf(style, plans, usage),
    terminator: { data: '[DONE]', tokens: 0 },
    tokens: tokensOf(plans),
  };
}

function tokensOf(plans: readonly Plan[]): number {
  return plans.reduce((sum, { text, reasoning, calls }) => sum + text.length + reasoning.length + calls.length, 0);
}

/** The choices one after the other. */
function* chunksOf(style: Style, plans: readonly Plan[], usage: Json | undefined): Iterable<StreamEvent> {
  const event = (data: Json, tokens = 0): StreamEvent => ({ data: JSON.stringify(data), tokens });
  const chunk = (choices: readonly Json[], more: Json = {}) => {
    return { ...style.head, object: 'chat.completion.chunk', choices, ...more };
  };
  for (const before of style.before) yield event(before);
  for (const [index, plan] of plans.entries()) {
    for (const { delta, tokens, more } of style.deltas(plan)) {
      yield event(chunk([{ index, delta, finish_reason: null, ...more }]), tokens);
    }
    const isLast = index === plans.length - 1 && style.streamUsage === 'last' && usage !== undefined;
    yield event(chunk([{ index, delta: {}, finish_reason: style.finish(plan) }], isLast ? { usage } : {}));
  }
  for (const after of style.after) yield event(after);
  if (style.streamUsage === 'own' && usage !== undefined) yield event(chunk([], { usage }));
}

/** Text, thoughts and calls as OpenAI-like servers stream them; `thoughtsField` is where thoughts go. */
export function* openaiDeltas(
  plan: Plan,
  options: { readonly thoughtsField: string; callId(index: number): string; readonly topLogprobs: number | null },
): Iterable<Delta> {
  const { thoughtsField, callId, topLogprobs } = options;
  yield { delta: { role: 'assistant', content: '' }, tokens: 0 };
  for (const thought of plan.reasoning) yield { delta: { [thoughtsField]: thought }, tokens: 1 };
  for (const [at, content] of plan.text.entries()) {
    const more = topLogprobs === null ? {} : { logprobs: logprobsOf([content], topLogprobs, at) };
    yield { delta: { content }, tokens: 1, more };
  }
  for (const [index, { name, arguments: args }] of plan.calls.entries()) {
    const head = { index, id: callId(index), type: 'function', function: { name, arguments: '' } };
    yield { delta: { tool_calls: [head] }, tokens: 1 };
    for (let at = 0; at < args.length; at += 7) {
      yield { delta: { tool_calls: [{ index, function: { arguments: args.slice(at, at + 7) } }] }, tokens: 0 };
    }
  }
}

/** The message that {@link openaiDeltas} put together give. */
export function openaiMessage(
  plan: Plan,
  options: { readonly thoughtsField: string; callId(index: number): string },
): Json {
  const calls = plan.calls.map(({ name, arguments: args }, index) => {
    return { id: options.callId(index), type: 'function', function: { name, arguments: args } };
  });
  return {
    role: 'assistant',
    content: plan.calls.length > 0 ? null : plan.text.join(''),
    ...(plan.reasoning.length === 0 ? {} : { [options.thoughtsField]: plan.reasoning.join('') }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}
