import type { Answer, AnswerContext, Call, Problem, StreamEvent } from '../../dialect.ts';
import { type Plan, planAnswer } from '../../plan.ts';
import { drawText } from '../../random.ts';
import { badRequest } from './errors.ts';
import { askOf, type CohereChat, chatSchema, findFault, TEMPLATE_TOKENS } from './request.ts';

/** An answer before it is written plain or as a stream. */
interface Draft {
  readonly id: string;
  readonly plan: Plan;
  readonly toolPlan: string;
  readonly calls: readonly { id: string; type: 'function'; function: { name: string; arguments: string } }[];
  readonly citations: readonly object[];
  readonly finish: string;
  readonly usage: object | undefined;
  readonly logprobs: boolean;
}

/** `POST /v2/chat`. */
export function readChat(body: unknown): Call | Problem {
  const parsed = chatSchema.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error, body);
  const request = parsed.data;
  const fault = findFault(request);
  if (fault !== null) return fault;
  const stream = request.stream ?? false;
  return {
    kind: 'call',
    model: request.model,
    stream,
    answer: (context) => (stream ? streamed(draft(request, context)) : plain(draft(request, context))),
  };
}

function draft(request: CohereChat, context: AnswerContext): Draft {
  const plan = planAnswer(askOf(request), context);
  const names = plan.calls.map(({ name }) => name).join(' and ');
  return {
    id: `${drawText(context.random, 8)}-${drawText(context.random, 12)}`,
    plan,
    toolPlan: names === '' ? '' : `I will use ${names}.`,
    calls: plan.calls.map(({ idText, name, arguments: args }) => {
      return { id: `${name}_${idText.slice(0, 12)}`, type: 'function', function: { name, arguments: args } };
    }),
    citations: cite(request, plan),
    finish: finishOf(plan),
    usage: usageOf(plan, context.behaviour.usage),
    logprobs: request.logprobs ?? false,
  };
}

function finishOf({ finish }: Plan): string {
  switch (finish) {
    case 'stop':
    // Cohere has no words for these two.
    case 'content_filter':
    case 'refusal':
      return 'COMPLETE';
    case 'stop_sequence':
      return 'STOP_SEQUENCE';
    case 'length':
      return 'MAX_TOKENS';
    case 'tool_calls':
      return 'TOOL_CALL';
    default:
      return finish satisfies never;
  }
}

function usageOf({ usage }: Plan, mode: AnswerContext['behaviour']['usage']): object | undefined {
  if (mode === 'missing') return undefined;
  const on = mode === 'zero' ? 0 : 1;
  return {
    billed_units: {
      input_tokens: (usage.promptTokens - TEMPLATE_TOKENS) * on,
      output_tokens: usage.outputTokens * on,
    },
    tokens: { input_tokens: usage.promptTokens * on, output_tokens: usage.outputTokens * on },
    cached_tokens: usage.cachedTokens * on,
  };
}

/** The answer's first token rests on the first document, or on the first result of a tool. */
function cite(request: CohereChat, plan: Plan): object[] {
  const mode = request.citation_options?.mode ?? 'ENABLED';
  const [first] = plan.text;
  if (mode === 'OFF' || mode === 'DISABLED' || first === undefined) return [];
  const span = { start: 0, end: first.length, text: first };
  const place = { type: 'TEXT_CONTENT', content_index: plan.reasoning.length > 0 ? 1 : 0 };
  const [document] = request.documents ?? [];
  if (document !== undefined) {
    const [id, data] = typeof document === 'string' ? ['doc:0', { text: document }] : [document.id, document.data];
    const source = { type: 'document', id: id ?? 'doc:0', document: { id: id ?? 'doc:0', ...data } };
    return [{ ...span, sources: [source], ...place }];
  }
  const result = request.messages.find((turn) => turn.role === 'tool');
  if (result === undefined) return [];
  const source = { type: 'tool', id: `${result.tool_call_id}:0`, tool_output: { content: result.content } };
  return [{ ...span, sources: [source], ...place }];
}

function logprobOf(token: string, index: number) {
  return { text: token, token_ids: [token.length * 1000 + index], logprobs: [-((index % 8) + 1) / 8] };
}

function plain({ id, plan, toolPlan, calls, citations, finish, usage, logprobs }: Draft): Answer {
  const content = [
    ...(plan.reasoning.length > 0 ? [{ type: 'thinking', thinking: plan.reasoning.join('') }] : []),
    ...(plan.calls.length === 0 ? [{ type: 'text', text: plan.text.join('') }] : []),
  ];
  const body = JSON.stringify({
    id,
    message: {
      role: 'assistant',
      ...(content.length > 0 ? { content } : {}),
      ...(calls.length > 0 ? { tool_plan: toolPlan, tool_calls: calls } : {}),
      ...(citations.length > 0 ? { citations } : {}),
    },
    finish_reason: finish,
    ...(usage === undefined ? {} : { usage }),
    ...(logprobs ? { logprobs: plan.text.map(logprobOf) } : {}),
  });
  return { kind: 'plain', body, tokens: plan.usage.outputTokens };
}

function streamed(draft: Draft): Answer {
  const { plan } = draft;
  return {
    kind: 'stream',
    events: eventsOf(draft),
    terminator: { data: '[DONE]', tokens: 0 },
    tokens: plan.reasoning.length + plan.text.length + draft.calls.length,
  };
}

function named(event: Record<string, unknown>, tokens = 0): StreamEvent {
  return { event: String(event['type']), data: JSON.stringify(event), tokens };
}

function* eventsOf({ id, plan, toolPlan, calls, citations, finish, usage, logprobs }: Draft): Iterable<StreamEvent> {
  const delta = (message: object) => ({ delta: { message } });
  const empty = { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] };
  yield named({ id, type: 'message-start', ...delta(empty) });
  let index = 0;
  if (plan.reasoning.length > 0) {
    yield named({ type: 'content-start', index, ...delta({ content: { type: 'thinking', thinking: '' } }) });
    for (const thinking of plan.reasoning) {
      yield named({ type: 'content-delta', index, ...delta({ content: { thinking } }) }, 1);
    }
    yield named({ type: 'content-end', index });
    index++;
  }
  if (calls.length === 0) {
    yield named({ type: 'content-start', index, ...delta({ content: { type: 'text', text: '' } }) });
    for (const [at, text] of plan.text.entries()) {
      const more = logprobs ? { logprobs: logprobOf(text, at) } : {};
      yield named({ type: 'content-delta', index, ...delta({ content: { text } }), ...more }, 1);
    }
    for (const [at, citation] of citations.entries()) {
      yield named({ type: 'citation-start', index: at, ...delta({ citations: citation }) });
      yield named({ type: 'citation-end', index: at });
    }
    yield named({ type: 'content-end', index });
  } else {
    for (const word of toolPlan.split(/(?= )/)) yield named({ type: 'tool-plan-delta', ...delta({ tool_plan: word }) });
    for (const [at, call] of calls.entries()) yield* callEvents(call, at);
  }
  yield named({
    type: 'message-end',
    id,
    delta: { finish_reason: finish, ...(usage === undefined ? {} : { usage }) },
  });
}

/** Arguments come in pieces that follow no token of theirs. */
const PIECE = 7;

function* callEvents({ id, type, function: called }: Draft['calls'][number], index: number): Iterable<StreamEvent> {
  const delta = (toolCalls: object) => ({ index, delta: { message: { tool_calls: toolCalls } } });
  const head = { id, type, function: { name: called.name, arguments: '' } };
  yield named({ type: 'tool-call-start', ...delta(head) }, 1);
  for (let at = 0; at < called.arguments.length; at += PIECE) {
    const piece = { function: { arguments: called.arguments.slice(at, at + PIECE) } };
    yield named({ type: 'tool-call-delta', ...delta(piece) });
  }
  yield named({ type: 'tool-call-end', index });
}
