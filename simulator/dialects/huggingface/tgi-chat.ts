import { z } from 'zod';
import type { AnswerContext, Call, Problem } from '../../dialect.ts';
import { planAnswer } from '../../plan.ts';
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
import { badRequest, commonFields, stopsOf } from '../../wires/openai-chat/request.ts';

const { max_tokens, ...fields } = commonFields;

const tgiSchema = z.strictObject({
  ...fields,
  max_tokens,
  top_p: z.number().gt(0, 'must be > 0.0 and < 1.0').lt(1, 'must be > 0.0 and < 1.0').nullish(),
  top_logprobs: z.int().min(0).max(5).nullish(),
  response_format: z
    .strictObject({ type: z.enum(['json', 'json_object']), value: z.record(z.string(), z.unknown()) })
    .nullish(),
  tool_prompt: z.string().optional(),
  guideline: z.string().optional(),
});

/** `POST /v1/chat/completions` of a TGI server: whatever the model is called, it is the one that it has. */
export function readTgiChat(body: unknown): Call | Problem {
  const parsed = tgiSchema.safeParse(body);
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
          schema: request.response_format?.value ?? null,
          showReasoning: false,
        },
        context,
      );
      const write = stream ? streamedCompletion : plainCompletion;
      return write(styleOf(request, context), [plan], usageOf([plan], context.behaviour.usage));
    },
  };
}

/** Ids are empty, calls are numbered, and an answer ends with "stop" whatever ended it but its limit. */
function styleOf(request: z.output<typeof tgiSchema>, { createdSeconds }: AnswerContext): Style {
  const topLogprobs = request.logprobs === true ? (request.top_logprobs ?? 0) : null;
  const callId = (index: number) => String(index);
  return {
    head: { id: '', created: createdSeconds, model: request.model, system_fingerprint: '3.3.4-simulated' },
    plainObject: 'chat.completion',
    message: (plan) => openaiMessage(plan, { thoughtsField: '', callId }),
    deltas: (plan) => openaiDeltas(plan, { thoughtsField: '', callId, topLogprobs }),
    finish: ({ finish }) => (finish === 'length' ? 'length' : 'stop'),
    choice: (plan) => ({ logprobs: topLogprobs === null ? null : logprobsOf(plan.text, topLogprobs) }),
    streamUsage: request.stream_options?.include_usage === true ? 'own' : 'none',
    before: [],
    after: [],
  };
}
