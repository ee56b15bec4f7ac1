import type { AnswerContext } from './dialect.ts';
import { createRandom, drawText, hashText, type Random } from './random.ts';
import { composeAnswer, countTokens, tokenize } from './tokens.ts';

/** What a dialect read out of a request for a chat: as much as an answer depends on. */
export interface Ask {
  readonly model: string;
  /** All text of the prompt, in order; tool definitions count as their JSON. */
  readonly promptText: string;
  /** Tokens that the dialect's provider charges beside the text (around messages, for images). */
  readonly extraPromptTokens: number;
  /** The prompt as the dialect has counted it already; instead of `promptText`. */
  readonly prompt?: { readonly tokens: number; readonly hash: number } | undefined;
  readonly maxTokens: number | null;
  /** Texts that end the answer where they would stand in it. */
  readonly stop: readonly string[];
  readonly tools: readonly { readonly name: string; readonly schema: unknown }[];
  readonly toolChoice: 'auto' | 'none' | 'required' | { readonly name: string };
  /** Whether more than one call may be made at once. */
  readonly parallel: boolean;
  /** The last turn holds results of tools: the answer is text. */
  readonly afterToolResult: boolean;
  /** The answer must be JSON of this schema; `{}`: any JSON object; null: text. */
  readonly schema: unknown;
  /** Whether thoughts are to be shown, where the model has any (`reasoningTokens` of its behaviour). */
  readonly showReasoning: boolean;
}

export type PlannedFinish = 'stop' | 'stop_sequence' | 'length' | 'tool_calls' | 'content_filter' | 'refusal';

export interface PlannedCall {
  /** 24 letters and digits, for the dialect's kind of id. */
  readonly idText: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

/** One answer, before a dialect writes it plain or as a stream. The same ask and context give the same plan. */
export interface Plan {
  /** Shown thoughts, cut into tokens; empty where none are shown. */
  readonly reasoning: readonly string[];
  /** The text, cut into tokens; empty where the answer is tool calls. */
  readonly text: readonly string[];
  readonly calls: readonly PlannedCall[];
  readonly finish: PlannedFinish;
  /** The text that ended the answer. */
  readonly stopSequence: string | null;
  readonly usage: PlannedUsage;
}

export interface PlannedUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Thoughts included. */
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

/** Plans one candidate of an answer as the model's behaviour says. */
export function planAnswer(ask: Ask, { seed, behaviour }: AnswerContext, candidate = 0): Plan {
  const hash = ask.prompt?.hash ?? hashText(ask.promptText);
  const random = createRandom(`chat ${seed} ${ask.model} ${hash} ${candidate}`);
  const limit = ask.maxTokens ?? Number.POSITIVE_INFINITY;
  const reasoningTokens = Math.min(behaviour.reasoningTokens, limit);
  const reasoning = ask.showReasoning ? composeAnswer('thinking', random, reasoningTokens) : [];
  const calls = planCalls(ask, behaviour.toolCalls, random);
  const body =
    calls.length > 0
      ? { text: [], finish: 'tool_calls' as const, stopSequence: null }
      : planText(ask, behaviour, random, limit - reasoningTokens);
  const callTokens = calls.reduce((sum, call) => sum + countTokens(call.name) + countTokens(call.arguments), 0);
  const promptTokens = (ask.prompt?.tokens ?? countTokens(ask.promptText)) + ask.extraPromptTokens;
  return {
    reasoning,
    ...body,
    calls,
    usage: {
      promptTokens,
      cachedTokens: Math.min(behaviour.cachedPromptTokens, promptTokens),
      outputTokens: reasoningTokens + body.text.length + callTokens,
      reasoningTokens,
    },
  };
}

function planCalls(ask: Ask, wanted: number | null, random: Random): PlannedCall[] {
  const { tools, toolChoice } = ask;
  if (tools.length === 0 || toolChoice === 'none' || (ask.afterToolResult && toolChoice === 'auto')) return [];
  const must = toolChoice === 'auto' ? 0 : 1;
  const count = Math.min(Math.max(wanted ?? 0, must), ask.parallel ? Number.POSITIVE_INFINITY : 1);
  const allowed = typeof toolChoice === 'object' ? tools.filter(({ name }) => name === toolChoice.name) : tools;
  if (allowed.length === 0) return [];
  return Array.from({ length: count }, (_, index) => {
    const { name, schema } = allowed[index % allowed.length]!;
    return { idText: drawText(random, 24), name, arguments: JSON.stringify(fillSchema(schema, random)) };
  });
}

function planText(
  ask: Ask,
  behaviour: AnswerContext['behaviour'],
  random: Random,
  limit: number,
): Pick<Plan, 'text' | 'finish' | 'stopSequence'> {
  const whole =
    behaviour.answerText !== null
      ? tokenize(behaviour.answerText)
      : ask.schema === null
        ? composeAnswer(ask.model, random, behaviour.answerTokens)
        : tokenize(JSON.stringify(fillSchema(ask.schema, random)));
  const end = endedBy(whole, ask.stop);
  const text = end === null ? whole : end.text;
  if (text.length > limit) return { text: text.slice(0, limit), finish: 'length', stopSequence: null };
  if (behaviour.finish !== null) return { text, finish: behaviour.finish, stopSequence: null };
  return { text, finish: end === null ? 'stop' : 'stop_sequence', stopSequence: end?.stop ?? null };
}

/** Where the first of the stop sequences ends the text; null where none is in it. */
function endedBy(tokens: readonly string[], stops: readonly string[]): { text: string[]; stop: string } | null {
  const text = tokens.join('');
  let found: { at: number; stop: string } | null = null;
  for (const stop of stops) {
    const at = stop === '' ? -1 : text.indexOf(stop);
    if (at !== -1 && (found === null || at < found.at)) found = { at, stop };
  }
  return found === null ? null : { text: tokenize(text.slice(0, found.at)), stop: found.stop };
}

/** A value that a JSON Schema allows, as far as tests of a gateway use schemas: types, properties, enums, items. */
export function fillSchema(schema: unknown, random: Random): unknown {
  if (typeof schema !== 'object' || schema === null) return {};
  const { type, properties, items, anyOf, ...rest } = schema as Record<string, unknown>;
  if (Array.isArray(rest['enum'])) return rest['enum'][0];
  if ('const' in rest) return rest['const'];
  if (Array.isArray(anyOf)) return fillSchema(anyOf[0], random);
  const kind = String(Array.isArray(type) ? type[0] : (type ?? 'object')).toLowerCase();
  switch (kind) {
    case 'string':
      return composeAnswer('x', random, 4).slice(2).join('').trim();
    case 'integer':
      return Math.floor(random() * 100);
    case 'number':
      return Math.round(random() * 1000) / 10;
    case 'boolean':
      return random() < 0.5;
    case 'null':
      return null;
    case 'array':
      return [fillSchema(items, random)];
    default: {
      const fields = typeof properties === 'object' && properties !== null ? Object.entries(properties) : [];
      return Object.fromEntries(fields.map(([name, field]) => [name, fillSchema(field, random)]));
    }
  }
}
