import type { AnswerContext } from '../../chat/dialect.ts';
import type { Candidate, ChatReply, ChatUsage } from '../../chat/reply.ts';
import type { ChatRequest, JsonObject } from '../../chat/request.ts';
import { outputOf, responseId } from './items.ts';
import type { ResponsesRequest } from './request.ts';

const NO_CANDIDATE: Candidate = { index: 0, parts: [], finish: null, stopSequence: null, logprobs: null };

/** How an answer ended, in OpenAI's words. An end that it has no reason for is `incomplete` without one. */
export type Ending =
  | { readonly status: 'completed' }
  | { readonly status: 'incomplete'; readonly reason: 'max_output_tokens' | 'content_filter' | null };

/** A whole answer as OpenAI's Response object. This dialect asks for one candidate. */
export function writeReply(reply: ChatReply, context: AnswerContext): string {
  return JSON.stringify(responseOf(reply, context));
}

export function responseOf(reply: ChatReply, context: AnswerContext): JsonObject {
  const candidate = reply.candidates[0] ?? NO_CANDIDATE;
  const ending = endingOf(candidate);
  const isCut = ending.status === 'incomplete';
  return {
    ...frameOf(reply.model, context),
    status: ending.status,
    incomplete_details: isCut && ending.reason !== null ? { reason: ending.reason } : null,
    output: outputOf(candidate, context.inferenceId, isCut),
    usage: usageOf(reply.usage),
  };
}

/** The response before anything has come. */
export function openingOf(model: string | null, context: AnswerContext): JsonObject {
  return { ...frameOf(model, context), status: 'in_progress', incomplete_details: null, output: [], usage: null };
}

export function endingOf({ finish, parts }: Pick<Candidate, 'finish' | 'parts'>): Ending {
  switch (finish) {
    case null:
    case 'stop':
    case 'stop_sequence':
    case 'tool_calls':
      return { status: 'completed' };
    case 'length':
      return { status: 'incomplete', reason: 'max_output_tokens' };
    case 'content_filter':
      return { status: 'incomplete', reason: 'content_filter' };
    case 'refusal': {
      // A refusal in words is an answer; one without any is a filter's.
      const isSaid = parts.some(({ type }) => type === 'refusal');
      return isSaid ? { status: 'completed' } : { status: 'incomplete', reason: 'content_filter' };
    }
    case 'pause':
    case 'malformed_tool_call':
    case 'other':
      return { status: 'incomplete', reason: null };
    default:
      return finish satisfies never;
  }
}

/** What does not change while an answer is made: what it is, and what of the request it repeats. */
function frameOf(model: string | null, { inferenceId, createdUnixS, request }: AnswerContext): JsonObject {
  return {
    id: responseId(inferenceId),
    object: 'response',
    created_at: createdUnixS,
    background: false,
    error: null,
    model: model ?? request.model,
    previous_response_id: null,
    instructions: null,
    max_output_tokens: null,
    max_tool_calls: null,
    metadata: {},
    parallel_tool_calls: true,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature: null,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    top_logprobs: 0,
    top_p: null,
    truncation: 'disabled',
    user: null,
    ...echoOf(request),
    tools: request.tools.map(({ name, description, parameters, strict }) => {
      return { type: 'function', name, description, parameters, strict };
    }),
  };
}

function echoOf(request: ChatRequest): JsonObject {
  const { echo } = request as Partial<ResponsesRequest>;
  return echo ?? {};
}

/** Null unless both sums are known: SDKs add them up. Of the details only what was said. */
function usageOf(usage: ChatUsage | null): JsonObject | null {
  if (usage === null) return null;
  const { inputTokens, outputTokens, cachedTokens, cacheWriteTokens, reasoningTokens } = usage;
  if (inputTokens === null || outputTokens === null) return null;
  return {
    input_tokens: inputTokens,
    input_tokens_details: {
      ...(cachedTokens === null ? {} : { cached_tokens: cachedTokens }),
      ...(cacheWriteTokens === null ? {} : { cache_write_tokens: cacheWriteTokens }),
    },
    output_tokens: outputTokens,
    output_tokens_details: reasoningTokens === null ? {} : { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  };
}
