import type { Answer, StreamEvent, StreamFraming } from '../../dialect.ts';
import { callPart, type Draft, finishOf, logprobsOf, signatureOf } from './response.ts';

/** What the API sends without `alt=sse`: the responses as the elements of one array. */
const ARRAY: StreamFraming = {
  contentType: 'application/json; charset=UTF-8',
  encode({ data }, index) {
    if (data === ']') return index === 0 ? '[]\n' : '\n]\n';
    return `${index === 0 ? '[' : '\n,\r\n'}${data}`;
  },
};

/** A stream of responses; server-sent events have no terminator. */
export function streamAnswer(draft: Draft, framing: 'sse' | 'json-array'): Answer {
  const tokens = draft.plans.reduce(
    (sum, { reasoning, text, calls }) => sum + reasoning.length + text.length + calls.length,
    0,
  );
  return {
    kind: 'stream',
    events: responses(draft),
    terminator: framing === 'sse' ? undefined : { data: ']', tokens: 0 },
    framing: framing === 'sse' ? undefined : ARRAY,
    tokens,
  };
}

/** Thoughts and texts token by token, each call whole, then the finish reasons. The usage counts up; only the last one says all. */
function* responses({ plans, hasLogprobs, head, usage }: Draft): Iterable<StreamEvent> {
  const soFar = usage && {
    promptTokenCount: usage.promptTokenCount,
    totalTokenCount: usage.promptTokenCount,
    promptTokensDetails: usage.promptTokensDetails,
  };
  const event = (candidate: object, tokens: number, usageMetadata: object | undefined = soFar): StreamEvent => ({
    data: JSON.stringify({ candidates: [candidate], usageMetadata, ...head }),
    tokens,
  });
  const content = (part: object) => ({ content: { parts: [part], role: 'model' } });
  for (const [index, plan] of plans.entries()) {
    for (const text of plan.reasoning) yield event({ ...content({ text, thought: true }), index }, 1);
    for (const text of plan.text) {
      const logprobs = hasLogprobs ? { logprobsResult: logprobsOf([text]) } : {};
      yield event({ ...content({ text }), index, ...logprobs }, 1);
    }
    for (const call of plan.calls.keys()) yield event({ ...content(callPart(plan, call)), index }, 1);
    const signature = plan.calls.length > 0 ? {} : signatureOf(plan);
    const isLast = index === plans.length - 1;
    const last = { ...content({ text: '', ...signature }), finishReason: finishOf(plan), index };
    yield event(last, 0, isLast ? usage : soFar);
  }
}
