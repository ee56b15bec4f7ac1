import type { Answer } from '../../dialect.ts';
import type { Plan, PlannedCall } from '../../plan.ts';
import { type Draft, finishOf, isRefusal } from './chat-draft.ts';
import { logprobOf } from './chat-logprobs.ts';

/** The answer in one piece. */
export function plainChat(draft: Draft): Answer {
  const { id, model, createdSeconds, fingerprint, choices, usage, tokens } = draft;
  const body = JSON.stringify({
    id,
    object: 'chat.completion',
    created: createdSeconds,
    model,
    choices: choices.map((plan, index) => ({
      index,
      message: messageOf(plan, draft),
      logprobs: logprobsOf(plan, draft.topLogprobs),
      finish_reason: finishOf(plan),
    })),
    usage,
    service_tier: 'default',
    system_fingerprint: fingerprint,
  });
  return { kind: 'plain', body, tokens };
}

function messageOf(plan: Plan, { custom }: Draft): object {
  const text = plan.text.join('');
  const said = plan.calls.length > 0 || isRefusal(plan) ? null : text;
  return {
    role: 'assistant',
    content: said,
    refusal: isRefusal(plan) ? text : null,
    ...(plan.reasoning.length === 0 ? {} : { reasoning_content: plan.reasoning.join('') }),
    ...(plan.calls.length === 0 ? {} : { tool_calls: plan.calls.map((call) => callOf(call, custom)) }),
    annotations: [],
  };
}

function callOf({ idText, name, arguments: args }: PlannedCall, custom: ReadonlySet<string>): object {
  const id = `call_${idText}`;
  if (custom.has(name)) return { id, type: 'custom', custom: { name, input: args } };
  return { id, type: 'function', function: { name, arguments: args } };
}

function logprobsOf(plan: Plan, top: number | null): object | null {
  if (top === null) return null;
  const tokens = plan.text.map((token) => logprobOf(token, top));
  return isRefusal(plan) ? { content: null, refusal: tokens } : { content: tokens, refusal: null };
}
