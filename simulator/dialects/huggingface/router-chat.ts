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

const routerSchema = z.strictObject({
  ...commonFields,
  top_logprobs: z.int().min(0).max(5).nullish(),
  response_format: formatSchema.nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
  tool_prompt: z.string().optional(),
});

/** `POST /v1/chat/completions` of the router. A suffix (`:provider`) is part of the model that behaves, and not of the one that answers. */
export function readRouterChat(body: unknown): Call | Problem {
  const parsed = routerSchema.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error);
  const request = parsed.data;
  const stream = request.stream ?? false;
  return {
    kind: 'call',
    model: request.model,
    stream,
    answer(context) {
      const plan = planAnswer(
        {
          model: request.model,
          ...readPrompt(request.messages, request.tools),
          maxTokens: request.max_tokens ?? null,
          stop: stopsOf(request.stop),
          tools: readTools(request.tools),
          toolChoice: readChoice(request.tool_choice),
          parallel: true,
          schema: schemaOf(request.response_format),
          showReasoning: request.reasoning_effort !== 'none',
        },
        context,
      );
      const write = stream ? streamedCompletion : plainCompletion;
      return write(styleOf(request, context), [plan], usageOf([plan], context.behaviour.usage));
    },
  };
}

function styleOf(request: z.output<typeof routerSchema>, { createdSeconds, random }: AnswerContext): Style {
  const topLogprobs = request.logprobs === true ? (request.top_logprobs ?? 0) : null;
  const thoughtsField = 'reasoning_content';
  const callId = (plan: Plan) => (index: number) => `call_${plan.calls[index]!.idText}`;
  return {
    head: {
      id: `chatcmpl-${drawText(random, 24).toLowerCase()}`,
      created: createdSeconds,
      model: request.model.replace(/:[^:/]+$/, ''),
    },
    plainObject: 'chat.completion',
    message: (plan) => openaiMessage(plan, { thoughtsField, callId: callId(plan) }),
    deltas: (plan) => openaiDeltas(plan, { thoughtsField, callId: callId(plan), topLogprobs }),
    finish: ({ finish }) =>
      finish === 'length' || finish === 'tool_calls' || finish === 'content_filter' ? finish : 'stop',
    choice: (plan) => ({ logprobs: topLogprobs === null ? null : logprobsOf(plan.text, topLogprobs) }),
    streamUsage: request.stream_options?.include_usage === true ? 'own' : 'none',
    before: [],
    after: [],
  };
}
