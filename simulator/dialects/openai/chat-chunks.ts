import type { Answer, StreamEvent } from '../../dialect.ts';
import type { Plan } from '../../plan.ts';
import { tokenize } from '../../tokens.ts';
import { type Draft, finishOf, isRefusal } from './chat-draft.ts';
import { logprobOf } from './chat-logprobs.ts';

/** A delta as JSON text, and how many tokens it brings. */
interface Delta {
  readonly json: string;
  readonly logprobs: string;
  readonly tokens: number;
}

/** The same answer in chunks. `asksUsage`: the request wants the usage. */
export function streamChat(draft: Draft, asksUsage: boolean, onLastChoice: boolean): Answer {
  return {
    kind: 'stream',
    events: chatEvents(draft, asksUsage, onLastChoice),
    terminator: { data: '[DONE]', tokens: 0 },
    tokens: draft.tokens,
  };
}

/**
 * The chunks of a stream: role, tokens (the choices in turn), finish reasons and, if it was asked for, the usage in a
 * chunk without choices. Then all others say `"usage":null`. With `onLastChoice` the last finish reason carries it.
 */
function* chatEvents(draft: Draft, asked: boolean, onLastChoice: boolean): Iterable<StreamEvent> {
  const { id, model, createdSeconds, fingerprint, choices, usage } = draft;
  const identity = { id, object: 'chat.completion.chunk', created: createdSeconds, model, service_tier: 'default' };
  const head = `${JSON.stringify({ ...identity, system_fingerprint: fingerprint }).slice(0, -1)},"choices":[`;
  const usageChunk = asked && usage !== undefined && !onLastChoice;
  const nullUsage = usageChunk ? ',"usage":null' : '';
  const chunk = (
    choice: number,
    delta: string,
    finish: string,
    tokens: number,
    end = nullUsage,
    logprobs = 'null',
  ) => ({
    data: `${head}{"index":${choice},"delta":${delta},"logprobs":${logprobs},"finish_reason":${finish}}]${end}}`,
    tokens,
  });
  for (const [choice, plan] of choices.entries()) yield chunk(choice, roleOf(plan), 'null', 0);
  const deltas = choices.map((plan) => deltasOf(plan, draft)[Symbol.iterator]());
  // hot
  for (let open = deltas.length; open > 0; ) {
    open = 0;
    for (let choice = 0; choice < deltas.length; choice++) {
      const next = deltas[choice]!.next();
      if (next.done) continue;
      open++;
      yield chunk(choice, next.value.json, 'null', next.value.tokens, nullUsage, next.value.logprobs);
    }
  }
  for (const [choice, plan] of choices.entries()) {
    const last = onLastChoice && choice === choices.length - 1;
    yield chunk(choice, '{}', `"${finishOf(plan)}"`, 0, last ? `,"usage":${JSON.stringify(usage)}` : nullUsage);
  }
  if (usageChunk) yield { data: `${head}],"usage":${JSON.stringify(usage)}}`, tokens: 0 };
}

function roleOf(plan: Plan): string {
  const content = plan.calls.length > 0 || isRefusal(plan) ? 'null' : '""';
  return `{"role":"assistant","content":${content},"refusal":null}`;
}

function* deltasOf(plan: Plan, { custom, topLogprobs }: Draft): Iterable<Delta> {
  for (const token of plan.reasoning) yield delta(`{"reasoning_content":${JSON.stringify(token)}}`);
  const refused = isRefusal(plan);
  const field = refused ? 'refusal' : 'content';
  for (const token of plan.text) {
    const json = `{"${field}":${JSON.stringify(token)}}`;
    if (topLogprobs === null) yield delta(json);
    else yield { json, tokens: 1, logprobs: logprobsOf(token, topLogprobs, refused) };
  }
  for (const [index, { idText, name, arguments: args }] of plan.calls.entries()) {
    const isCustom = custom.has(name);
    const [type, key] = isCustom ? ['custom', 'input'] : ['function', 'arguments'];
    const begin = { index, id: `call_${idText}`, type, [type]: { name, [key]: '' } };
    yield { json: JSON.stringify({ tool_calls: [begin] }), tokens: 0, logprobs: 'null' };
    for (const piece of tokenize(args))
      yield delta(JSON.stringify({ tool_calls: [{ index, [type]: { [key]: piece } }] }));
  }
}

function delta(json: string): Delta {
  return { json, tokens: 1, logprobs: 'null' };
}

function logprobsOf(token: string, top: number, refused: boolean): string {
  const tokens = [logprobOf(token, top)];
  return JSON.stringify(refused ? { content: null, refusal: tokens } : { content: tokens, refusal: null });
}
