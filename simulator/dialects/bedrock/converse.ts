import type { Answer, AnswerContext, Call, Problem, StreamEvent } from '../../dialect.ts';
import { type Plan, type PlannedFinish, planAnswer } from '../../plan.ts';
import { tokenize } from '../../tokens.ts';
import { readConverse } from './converse-request.ts';
import { EVENT_FRAMES } from './frames.ts';

const STOP_REASONS: Readonly<Record<PlannedFinish, string>> = {
  stop: 'end_turn',
  stop_sequence: 'stop_sequence',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'guardrail_intervened',
  refusal: 'content_filtered',
};

/** `POST /model/{id}/converse` and `/converse-stream`. */
export function readCall(model: string, stream: boolean, body: unknown): Call | Problem {
  const read = readConverse(model, body);
  if (read.kind !== 'converse') return read;
  const { ask, tellsStop } = read;
  return {
    kind: 'call',
    model,
    stream,
    answer: (context) => {
      const plan = planAnswer(ask, context);
      return stream ? streamAnswer(plan, tellsStop, context) : plainAnswer(plan, tellsStop, context);
    },
  };
}

function plainAnswer(plan: Plan, tellsStop: boolean, context: AnswerContext): Answer {
  const { reasoning, text, calls } = plan;
  const content = [
    ...(reasoning.length === 0
      ? []
      : [{ reasoningContent: { reasoningText: { text: reasoning.join(''), signature: signatureOf(plan) } } }]),
    ...(text.length === 0 ? [] : [{ text: text.join('') }]),
    ...calls.map(({ idText, name, arguments: json }) => ({
      toolUse: { toolUseId: toolUseId(idText), name, input: JSON.parse(json) },
    })),
  ];
  const body = JSON.stringify({
    metrics: { latencyMs: 1 },
    output: { message: { role: 'assistant', content } },
    ...endOf(plan, tellsStop),
    ...usageOf(plan, context),
  });
  return { kind: 'plain', body, tokens: text.length };
}

function streamAnswer(plan: Plan, tellsStop: boolean, context: AnswerContext): Answer {
  return {
    kind: 'stream',
    events: converseEvents(plan, tellsStop, context),
    terminator: undefined,
    framing: EVENT_FRAMES,
    tokens: plan.text.length + plan.reasoning.length,
  };
}

/** Each event is padded in `p`, so that its length tells nothing of the token. */
function* converseEvents(plan: Plan, tellsStop: boolean, context: AnswerContext): Iterable<StreamEvent> {
  let index = 0;
  const event = (name: string, body: object, tokens = 0): StreamEvent => ({
    event: name,
    data: JSON.stringify({ ...body, p: 'abcdefgh' }),
    tokens,
  });
  const delta = (body: object, tokens: number) =>
    event('contentBlockDelta', { contentBlockIndex: index, delta: body }, tokens);
  const stop = () => event('contentBlockStop', { contentBlockIndex: index++ });

  yield event('messageStart', { role: 'assistant' });
  if (plan.reasoning.length > 0) {
    for (const text of plan.reasoning) yield delta({ reasoningContent: { text } }, 1);
    yield delta({ reasoningContent: { signature: signatureOf(plan) } }, 0);
    yield stop();
  }
  if (plan.text.length > 0) {
    for (const text of plan.text) yield delta({ text }, 1);
    yield stop();
  }
  for (const { idText, name, arguments: json } of plan.calls) {
    const start = { toolUse: { toolUseId: toolUseId(idText), name } };
    yield event('contentBlockStart', { contentBlockIndex: index, start });
    for (const input of tokenize(json)) yield delta({ toolUse: { input } }, 0);
    yield stop();
  }
  yield event('messageStop', endOf(plan, tellsStop));
  yield event('metadata', { metrics: { latencyMs: 1 }, ...usageOf(plan, context) });
}

function endOf({ finish, stopSequence }: Plan, tellsStop: boolean): object {
  const told = tellsStop && stopSequence !== null;
  return {
    stopReason: STOP_REASONS[finish],
    ...(told ? { additionalModelResponseFields: { stop_sequence: stopSequence } } : {}),
  };
}

/** What was read from the cache is no part of `inputTokens`. */
function usageOf({ usage }: Plan, { behaviour }: AnswerContext): object {
  if (behaviour.usage === 'missing') return {};
  const on = behaviour.usage === 'zero' ? 0 : 1;
  const { promptTokens, cachedTokens, outputTokens } = usage;
  return {
    usage: {
      inputTokens: (promptTokens - cachedTokens) * on,
      outputTokens: outputTokens * on,
      totalTokens: (promptTokens + outputTokens) * on,
      cacheReadInputTokens: cachedTokens * on,
      cacheWriteInputTokens: 0,
    },
  };
}

function toolUseId(idText: string): string {
  return `tooluse_${idText}`;
}

/** As opaque as a signature, and different for different thoughts. */
function signatureOf({ reasoning }: Plan): string {
  return Buffer.from(`signed ${reasoning.join('')}`).toString('base64');
}
