import { z } from 'zod';
import type { AnswerContext, Call, Problem } from '../../dialect.ts';
import { type Plan, planAnswer } from '../../plan.ts';
import { drawText } from '../../random.ts';
import {
  logprobsOf,
  openaiDeltas,
  openaiMessage,
  plainCompletion,
  type Style,
  streamedCompletion,
  usageOf,
} from '../../wires/openai-chat/completion.ts';
import { readChoice, readPrompt, readTools } from '../../wires/openai-chat/prompt.ts';
import { badRequest, commonFields, formatSchema, schemaOf, stopsOf } from '../../wires/openai-chat/request.ts';
import { filterResults } from './filters.ts';

const chatSchema = z.strictObject({
  ...commonFields,
  // The deployment stands in the path of the older API.
  model: commonFields.model.optional(),
  max_completion_tokens: z.int().positive().nullish(),
  n: z.int().min(1).max(128).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  logit_bias: z.record(z.string(), z.number()).nullish(),
  parallel_tool_calls: z.boolean().optional(),
  response_format: formatSchema.nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
  user: z.string().optional(),
  metadata: z.record(z.string(), z.string()).nullish(),
  store: z.boolean().nullish(),
  safety_identifier: z.string().optional(),
  prompt_cache_key: z.string().optional(),
  service_tier: z.enum(['auto', 'default', 'priority']).nullish(),
  verbosity: z.enum(['low', 'medium', 'high']).nullish(),
  user_security_context: z.record(z.string(), z.unknown()).optional(),
});

type AzureChat = z.output<typeof chatSchema>;

/** Chat completions of a deployment; null: the body names it. */
export function readChat(body: unknown, deployment: string | null): Call | Problem {
  const parsed = chatSchema.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error);
  const request = parsed.data;
  const model = deployment ?? request.model;
  if (model === undefined) {
    return { kind: 'bad-request', message: 'you must provide a model parameter', field: 'model', missing: true };
  }
  const stream = request.stream ?? false;
  return {
    kind: 'call',
    model,
    stream,
    answer(context) {
      const plans = Array.from({ length: request.n ?? 1 }, (_, at) =>
        planAnswer(
          {
            model,
            ...readPrompt(request.messages, request.tools),
            maxTokens: request.max_completion_tokens ?? request.max_tokens ?? null,
            stop: stopsOf(request.stop),
            tools: readTools(request.tools),
            toolChoice: readChoice(request.tool_choice),
            parallel: request.parallel_tool_calls ?? true,
            schema: schemaOf(request.response_format),
            showReasoning: false,
          },
          context,
          at,
        ),
      );
      const style = styleOf(request, model, context);
      const usage = usageOf(plans, context.behaviour.usage);
      return stream ? streamedCompletion(style, plans, usage) : plainCompletion(style, plans, usage);
    },
  };
}

function styleOf(request: AzureChat, model: string, { createdSeconds, random, seed }: AnswerContext): Style {
  const topLogprobs = request.logprobs === true ? (request.top_logprobs ?? 0) : null;
  const callId = (plan: Plan) => (index: number) => `call_${plan.calls[index]!.idText}`;
  const promptResults = [{ prompt_index: 0, content_filter_results: filterResults(null) }];
  const empty = { id: '', object: '', created: 0, model: '' };
  const stream = request.stream === true;
  return {
    head: {
      id: `chatcmpl-${drawText(random, 29)}`,
      created: createdSeconds,
      model,
      system_fingerprint: `fp_${seed}`,
      ...(stream ? {} : { prompt_filter_results: promptResults }),
    },
    plainObject: 'chat.completion',
    message: (plan) => ({
      ...openaiMessage(plan, { thoughtsField: '', callId: callId(plan) }),
      refusal: plan.finish === 'refusal' ? plan.text.join('') : null,
      ...(plan.finish === 'refusal' ? { content: null } : {}),
      annotations: [],
    }),
    deltas: (plan) => azureDeltas(plan, callId(plan), topLogprobs),
    finish: ({ finish }) =>
      finish === 'length' || finish === 'tool_calls' || finish === 'content_filter' ? finish : 'stop',
    choice: (plan) => ({
      logprobs: topLogprobs === null ? null : logprobsOf(plan.text, topLogprobs),
      content_filter_results: filterResults(plan.finish === 'content_filter' ? 'violence' : null),
    }),
    streamUsage: request.stream_options?.include_usage === true ? 'own' : 'none',
    before: [{ ...empty, choices: [], prompt_filter_results: promptResults }],
    // What the asynchronous filter found, when the answer has gone out.
    after: [
      {
        ...empty,
        choices: [
          {
            index: 0,
            finish_reason: null,
            content_filter_results: filterResults(null),
            content_filter_offsets: { check_offset: 44, start_offset: 44, end_offset: 198 },
          },
        ],
        usage: null,
      },
    ],
  };
}

function* azureDeltas(plan: Plan, callId: (index: number) => string, topLogprobs: number | null) {
  for (const piece of openaiDeltas(plan, { thoughtsField: '', callId, topLogprobs })) {
    const { content } = piece.delta;
    const refuses = plan.finish === 'refusal' && piece.tokens > 0;
    yield {
      ...piece,
      delta: refuses ? { refusal: content } : piece.delta,
      more: { logprobs: null, content_filter_results: content === undefined ? {} : filterResults(null), ...piece.more },
    };
  }
}
