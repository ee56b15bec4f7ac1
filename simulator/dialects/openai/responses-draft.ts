import type { AnswerContext } from '../../dialect.ts';
import { type Plan, type PlannedUsage, planAnswer } from '../../plan.ts';
import { drawText, hashText } from '../../random.ts';
import { askOf, type ResponsesRequest } from './responses-request.ts';

/** One item of the output: as it is announced, in pieces, and whole. */
export type DraftItem =
  | {
      readonly kind: 'reasoning';
      readonly id: string;
      readonly tokens: readonly string[];
      readonly encrypted: string | null;
    }
  | {
      readonly kind: 'message';
      readonly id: string;
      readonly tokens: readonly string[];
      readonly isRefusal: boolean;
      readonly logprobs: readonly object[] | null;
      readonly status: 'completed' | 'incomplete';
    }
  | {
      readonly kind: 'call';
      readonly id: string;
      readonly callId: string;
      readonly name: string;
      readonly json: string;
    };

/** An answer before it is written plain or as a stream. */
export interface Draft {
  readonly items: readonly DraftItem[];
  /** What does not change while it is made. */
  readonly frame: object;
  readonly status: 'completed' | 'incomplete';
  readonly incompleteDetails: { readonly reason: string } | null;
  readonly usage: object | null;
  /** Tokens that are shown. */
  readonly tokens: number;
}

const LOGPROBS = 'message.output_text.logprobs';
const THOUGHTS = 'reasoning.encrypted_content';
/** How every encrypted content of the simulator begins, as OpenAI's Fernet tokens do. */
export const ENCRYPTED_PREFIX = 'gAAAAA';

export function draftResponse(request: ResponsesRequest, context: AnswerContext): Draft {
  const { random, behaviour, createdSeconds } = context;
  const plan = planAnswer(askOf(request), context);
  const id = () => drawText(random, 50).toLowerCase();
  const frame = { ...frameOf(request, createdSeconds), id: `resp_${id()}` };
  const isCut = plan.finish === 'length' || plan.finish === 'content_filter';
  const items: DraftItem[] = [];
  if (plan.usage.reasoningTokens > 0) {
    const encrypted = request.include?.includes(THOUGHTS) ? `${ENCRYPTED_PREFIX}${drawText(random, 120)}` : null;
    items.push({ kind: 'reasoning', id: `rs_${id()}`, tokens: plan.reasoning, encrypted });
  }
  for (const call of plan.calls) {
    items.push({
      kind: 'call',
      id: `fc_${id()}`,
      callId: `call_${call.idText}`,
      name: call.name,
      json: call.arguments,
    });
  }
  // Thoughts may leave nothing of the limit for a text.
  if (plan.calls.length === 0 && (plan.text.length > 0 || !isCut)) {
    items.push({
      kind: 'message',
      id: `msg_${id()}`,
      tokens: plan.text,
      isRefusal: plan.finish === 'refusal',
      logprobs: request.include?.includes(LOGPROBS) ? logprobsOf(plan.text, request.top_logprobs ?? 0) : null,
      status: isCut ? 'incomplete' : 'completed',
    });
  }
  return {
    items,
    frame,
    status: isCut ? 'incomplete' : 'completed',
    incompleteDetails: detailsOf(plan),
    usage: behaviour.usage === 'missing' ? null : usageOf(plan.usage, behaviour.usage === 'zero'),
    tokens: items.reduce((sum, item) => sum + (item.kind === 'call' ? 1 : item.tokens.length), 0),
  };
}

/** The Response object; `output`: what there is of it. */
export function responseOf(draft: Draft, state: 'in_progress' | 'ended', output: readonly object[]): object {
  const isOver = state === 'ended';
  return {
    ...draft.frame,
    status: isOver ? draft.status : 'in_progress',
    incomplete_details: isOver ? draft.incompleteDetails : null,
    output,
    usage: isOver ? draft.usage : null,
  };
}

/** An item, whole. */
export function itemOf(item: DraftItem): object {
  switch (item.kind) {
    case 'reasoning': {
      const summary = item.tokens.length === 0 ? [] : [{ type: 'summary_text', text: item.tokens.join('') }];
      const encrypted = item.encrypted === null ? {} : { encrypted_content: item.encrypted };
      return { id: item.id, type: 'reasoning', ...encrypted, summary };
    }
    case 'call': {
      const { id, json, callId, name } = item;
      return { id, type: 'function_call', status: 'completed', arguments: json, call_id: callId, name };
    }
    case 'message':
      return { id: item.id, type: 'message', status: item.status, content: [contentOf(item)], role: 'assistant' };
  }
}

export function contentOf({ isRefusal, tokens, logprobs }: Extract<DraftItem, { kind: 'message' }>): object {
  const text = tokens.join('');
  if (isRefusal) return { type: 'refusal', refusal: text };
  return { type: 'output_text', annotations: [], logprobs: logprobs ?? [], text };
}

function detailsOf({ finish }: Plan): Draft['incompleteDetails'] {
  if (finish === 'length') return { reason: 'max_output_tokens' };
  return finish === 'content_filter' ? { reason: 'content_filter' } : null;
}

function usageOf({ promptTokens, cachedTokens, outputTokens, reasoningTokens }: PlannedUsage, isZero: boolean): object {
  const on = isZero ? 0 : 1;
  return {
    input_tokens: promptTokens * on,
    input_tokens_details: { cached_tokens: cachedTokens * on },
    output_tokens: outputTokens * on,
    output_tokens_details: { reasoning_tokens: reasoningTokens * on },
    total_tokens: (promptTokens + outputTokens) * on,
  };
}

/** Made from the token alone, so that a plain answer and a stream say the same. */
function logprobsOf(tokens: readonly string[], top: number): object[] {
  const one = (token: string) => {
    return { token, bytes: [...Buffer.from(token)], logprob: -(hashText(token) % 1000) / 1000 };
  };
  return tokens.map((token) => {
    const others = Array.from({ length: top }, (_, index) => one(index === 0 ? token : `${token}${index}`));
    return { ...one(token), top_logprobs: others };
  });
}

function frameOf(request: ResponsesRequest, createdSeconds: number): object {
  return {
    object: 'response',
    created_at: createdSeconds,
    background: false,
    error: null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    max_tool_calls: null,
    metadata: request.metadata ?? {},
    model: request.model,
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: null,
    prompt_cache_key: request.prompt_cache_key ?? null,
    reasoning: { effort: request.reasoning?.effort ?? null, summary: request.reasoning?.summary ?? null },
    safety_identifier: request.safety_identifier ?? null,
    service_tier: 'default',
    store: request.store ?? true,
    temperature: request.temperature ?? 1,
    text: { format: { type: 'text' }, verbosity: 'medium', ...request.text },
    tool_choice: request.tool_choice ?? 'auto',
    tools: request.tools ?? [],
    top_logprobs: request.top_logprobs ?? 0,
    top_p: request.top_p ?? 1,
    truncation: request.truncation ?? 'disabled',
    user: request.user ?? null,
  };
}
