import type { Answer, AnswerContext, Call, Problem } from '../../dialect.ts';
import { type Plan, planAnswer } from '../../plan.ts';
import { drawText } from '../../random.ts';
import { askOf } from './ask.ts';
import { badRequest } from './errors.ts';
import { type Draft, finishOf, logprobsOf, partsOf, usageOf } from './response.ts';
import { camelFields, type GenerateRequest, generateRequest } from './schema.ts';
import { checkSignatures } from './signatures.ts';
import { streamAnswer } from './stream.ts';

export type Streaming = 'plain' | 'sse' | 'json-array';

/** `POST …/models/{model}:generateContent` and `:streamGenerateContent`. */
export function readGenerate(body: unknown, model: string, streaming: Streaming): Call | Problem {
  const parsed = generateRequest.safeParse(camelFields(body));
  if (!parsed.success) return badRequest(parsed.error);
  const request = parsed.data;
  const problem = checkSignatures(request, model);
  if (problem !== null) return problem;
  return {
    kind: 'call',
    model,
    stream: streaming !== 'plain',
    answer: (context) => answer(request, model, streaming, context),
  };
}

function answer(request: GenerateRequest, model: string, streaming: Streaming, context: AnswerContext): Answer {
  const ask = askOf(request, model);
  const count = request.generationConfig?.candidateCount ?? 1;
  const plans: Plan[] = Array.from({ length: count }, (_, candidate) => planAnswer(ask, context, candidate));
  const draft: Draft = {
    plans,
    hasLogprobs: request.generationConfig?.responseLogprobs === true,
    head: { modelVersion: model, responseId: drawText(context.random, 22) },
    usage: usageOf(plans, context.behaviour),
  };
  return streaming === 'plain' ? plainAnswer(draft) : streamAnswer(draft, streaming);
}

function plainAnswer({ plans, hasLogprobs, head, usage }: Draft): Answer {
  const candidates = plans.map((plan, index) => ({
    content: { parts: partsOf(plan), role: 'model' },
    finishReason: finishOf(plan),
    index,
    ...(hasLogprobs ? { logprobsResult: logprobsOf(plan.text) } : {}),
  }));
  const tokens = plans.reduce((sum, { text, calls }) => sum + text.length + calls.length, 0);
  return { kind: 'plain', body: JSON.stringify({ candidates, usageMetadata: usage, ...head }), tokens };
}
