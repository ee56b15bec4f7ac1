import type { AnswerContext } from '../../dialect.ts';
import { type Plan, planAnswer } from '../../plan.ts';
import { drawText, hashText } from '../../random.ts';
import { askOf, type ChatRequest, customTools } from './chat-request.ts';
import { usageOf } from './usage.ts';

/** An answer before it is written plain or as a stream. */
export interface Draft {
  readonly id: string;
  readonly model: string;
  readonly createdSeconds: number;
  readonly fingerprint: string;
  readonly choices: readonly Plan[];
  /** Tokens that are sent, of all choices. */
  readonly tokens: number;
  readonly usage: ReturnType<typeof usageOf>;
  readonly custom: ReadonlySet<string>;
  /** How many log probabilities to give beside each token's own; null: none at all. */
  readonly topLogprobs: number | null;
}

/** `tools`: as they came. */
export function draftChat(request: ChatRequest, tools: unknown, context: AnswerContext): Draft {
  const { model } = request;
  const { behaviour, random, createdSeconds, seed } = context;
  const asked = askOf(request, tools);
  const ask = behaviour.showsReasoning ? asked : { ...asked, showReasoning: false };
  const choices = Array.from({ length: request.n ?? 1 }, (_, choice) => planAnswer(ask, context, choice));
  const sum = (of: (plan: Plan) => number) => choices.reduce((total, plan) => total + of(plan), 0);
  const spent = {
    completionTokens: sum(({ usage }) => usage.outputTokens),
    reasoningTokens: sum(({ usage }) => usage.reasoningTokens),
  };
  return {
    id: `chatcmpl-${drawText(random, 29)}`,
    model,
    createdSeconds,
    fingerprint: `fp_${hashText(model, seed).toString(16).padStart(10, '0')}`,
    choices,
    tokens: spent.completionTokens - spent.reasoningTokens + sum(({ reasoning }) => reasoning.length),
    usage: usageOf(behaviour, choices[0]?.usage.promptTokens ?? 0, spent),
    custom: customTools(request),
    topLogprobs: request.logprobs === true ? (request.top_logprobs ?? 0) : null,
  };
}

/** OpenAI's word for a planned end. A refusal is a stop: the message says the rest. */
export function finishOf({ finish }: Plan): 'stop' | 'length' | 'tool_calls' | 'content_filter' {
  switch (finish) {
    case 'stop_sequence':
    case 'refusal':
      return 'stop';
    case 'stop':
    case 'length':
    case 'tool_calls':
    case 'content_filter':
      return finish;
    default:
      return finish satisfies never;
  }
}

export function isRefusal({ finish }: Plan): boolean {
  return finish === 'refusal';
}
