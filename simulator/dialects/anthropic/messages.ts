import type { Answer, AnswerContext, Call, Problem, StreamEvent } from '../../dialect.ts';
import { type Plan, planAnswer } from '../../plan.ts';
import { drawText } from '../../random.ts';
import { countTokens, tokenize } from '../../tokens.ts';
import { askOf, hidesThinking, marksCache, measure } from './ask.ts';
import { unreadable } from './errors.ts';
import { checkPrompt, checkRequest, isThinking } from './rules.ts';
import { countRequest, type MessagesRequest, messagesRequest } from './schema.ts';
import { sign } from './signatures.ts';
import { deltaUsage, startUsage, usageOf } from './usage.ts';

/** A turn that holds it is answered with encrypted thoughts; the API has a text for that, too (its page on thinking). */
export const REDACTED_TRIGGER = 'SIMULATE_REDACTED_THINKING';

const STOP_REASONS = {
  stop: 'end_turn',
  stop_sequence: 'stop_sequence',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
  refusal: 'refusal',
} as const satisfies Record<Plan['finish'], string>;

/** One block of an answer: how it begins, and its pieces as they stream. */
interface DraftBlock {
  readonly start: Readonly<Record<string, unknown>>;
  readonly whole: Readonly<Record<string, unknown>>;
  readonly deltas: readonly { readonly delta: unknown; readonly tokens: number }[];
}

interface Draft {
  readonly head: Readonly<Record<string, unknown>>;
  readonly blocks: readonly DraftBlock[];
  readonly ending: Readonly<Record<string, unknown>>;
  readonly usage: ReturnType<typeof usageOf>;
  readonly tokens: number;
}

/** `POST /v1/messages`. */
export function readMessages(body: unknown, version: unknown): Call | Problem {
  const parsed = messagesRequest.safeParse(body, { reportInput: true });
  if (!parsed.success) return unreadable(parsed.error);
  const request = parsed.data;
  const problem = checkRequest(request, version);
  if (problem !== null) return problem;
  const stream = request.stream ?? false;
  return {
    kind: 'call',
    model: request.model,
    stream,
    answer: (context) => (stream ? streamMessage(request, context) : plainMessage(request, context)),
  };
}

/** `POST /v1/messages/count_tokens`. */
export function readCount(body: unknown): Call | Problem {
  const parsed = countRequest.safeParse(body, { reportInput: true });
  if (!parsed.success) return unreadable(parsed.error);
  const prompt = parsed.data;
  const problem = checkPrompt(prompt);
  if (problem !== null) return problem;
  const { promptText, extraPromptTokens } = measure(prompt);
  const counted = JSON.stringify({ input_tokens: countTokens(promptText) + extraPromptTokens });
  const answer = (): Answer => ({ kind: 'plain', body: counted, tokens: 0 });
  return { kind: 'call', model: prompt.model, stream: false, answer };
}

function plainMessage(request: MessagesRequest, context: AnswerContext): Answer {
  const { head, blocks, ending, usage, tokens } = draft(request, context);
  const content = blocks.map(({ whole }) => whole);
  const body = JSON.stringify({ ...head, content, ...ending, container: null, diagnostics: null, usage });
  return { kind: 'plain', body, tokens };
}

function streamMessage(request: MessagesRequest, context: AnswerContext): Answer {
  const made = draft(request, context);
  return {
    kind: 'stream',
    events: eventsOf(made),
    terminator: event('message_stop', {}),
    tokens: made.tokens,
  };
}

function event(type: string, fields: object, tokens = 0): StreamEvent {
  return { event: type, data: JSON.stringify({ type, ...fields }), tokens };
}

function* eventsOf({ head, blocks, ending, usage }: Draft): Iterable<StreamEvent> {
  const nothing = { stop_reason: null, stop_sequence: null, stop_details: null, container: null, diagnostics: null };
  yield event('message_start', { message: { ...head, content: [], ...nothing, usage: startUsage(usage) } });
  for (const [index, { start, deltas }] of blocks.entries()) {
    yield event('content_block_start', { index, content_block: start });
    if (index === 0) yield event('ping', {});
    for (const { delta, tokens } of deltas) yield event('content_block_delta', { index, delta }, tokens);
    yield event('content_block_stop', { index });
  }
  yield event('message_delta', { delta: { ...ending, container: null }, usage: deltaUsage(usage) });
}

function draft(request: MessagesRequest, context: AnswerContext): Draft {
  const plan = planAnswer(askOf(request), context);
  const blocks = [...thoughts(request, plan, context), ...texts(plan), ...calls(plan)];
  const reason = STOP_REASONS[plan.finish];
  return {
    head: { id: `msg_${drawText(context.random, 24)}`, type: 'message', role: 'assistant', model: request.model },
    blocks,
    ending: {
      stop_reason: reason,
      stop_sequence: plan.stopSequence,
      stop_details: reason === 'refusal' ? { type: 'refusal', category: null, explanation: null } : null,
    },
    usage: usageOf(plan.usage, marksCache(request), context.behaviour.usage),
    tokens: blocks.reduce((sum, { deltas }) => sum + deltas.reduce((all, { tokens }) => all + tokens, 0), 0),
  };
}

function thoughts(request: MessagesRequest, plan: Plan, { random }: AnswerContext): DraftBlock[] {
  if (!isThinking(request) || plan.usage.reasoningTokens === 0) return [];
  if (measure(request).promptText.includes(REDACTED_TRIGGER)) {
    const block = { type: 'redacted_thinking', data: sign(random) };
    return [{ start: block, whole: block, deltas: [] }];
  }
  const signature = sign(random);
  const shown = hidesThinking(request) ? [] : plan.reasoning;
  return [
    {
      start: { type: 'thinking', thinking: '', signature: '' },
      whole: { type: 'thinking', thinking: shown.join(''), signature },
      deltas: [
        ...shown.map((thinking) => ({ delta: { type: 'thinking_delta', thinking }, tokens: 1 })),
        { delta: { type: 'signature_delta', signature }, tokens: 0 },
      ],
    },
  ];
}

function texts({ text, calls: made }: Plan): DraftBlock[] {
  if (text.length === 0 && made.length > 0) return [];
  return [
    {
      start: { type: 'text', text: '', citations: null },
      whole: { type: 'text', text: text.join(''), citations: null },
      deltas: text.map((piece) => ({ delta: { type: 'text_delta', text: piece }, tokens: 1 })),
    },
  ];
}

function calls({ calls: made }: Plan): DraftBlock[] {
  return made.map(({ idText, name, arguments: json }) => {
    const base = { type: 'tool_use', id: `toolu_${idText}`, name };
    const caller = { type: 'direct' };
    const fragments = ['', ...fragmentsOf(json)];
    return {
      start: { ...base, input: {}, caller },
      whole: { ...base, input: JSON.parse(json), caller },
      deltas: fragments.map((piece) => ({
        delta: { type: 'input_json_delta', partial_json: piece },
        tokens: piece === '' ? 0 : 1,
      })),
    };
  });
}

/** The JSON in pieces that join to it. */
function fragmentsOf(json: string): string[] {
  const pieces = tokenize(json);
  return pieces.join('') === json ? pieces : [json];
}
