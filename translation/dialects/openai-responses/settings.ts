import {
  type JsonObject,
  NO_SETTINGS,
  type OutputFormat,
  REASONING_EFFORTS,
  type Reasoning,
  type Setting,
  type Settings,
} from '../../chat/request.ts';
import {
  bad,
  type Extras,
  integerIn,
  numberIn,
  oneOf,
  optional,
  readFlag,
  readList,
  readName,
  readObject,
  readString,
} from './fields.ts';
import { readToolChoice } from './tools.ts';

const VERBOSITIES = ['low', 'medium', 'high'] as const;
const SUMMARIES = ['auto', 'concise', 'detailed'] as const;
const REASONING_FIELDS = new Set(['effort', 'summary', 'generate_summary']);
const TEXT_FIELDS = new Set(['format', 'verbosity']);
const SCHEMA_FIELDS = new Set(['type', 'name', 'description', 'schema', 'strict']);
const MAX_TOP_LOGPROBS = 20;
const THOUGHTS = 'reasoning.encrypted_content';
const LOGPROBS = 'message.output_text.logprobs';

export interface ReadSettings {
  readonly settings: Settings;
  readonly spelling: Readonly<Partial<Record<Setting, string>>>;
}

/** How the caller spells a setting; where it is in a field's depth, the field's place. */
const SPELLING: Readonly<Partial<Record<Setting, string>>> = {
  maxTokens: 'max_output_tokens',
  temperature: 'temperature',
  topP: 'top_p',
  toolChoice: 'tool_choice',
  parallelToolCalls: 'parallel_tool_calls',
  output: 'text.format',
  reasoning: 'reasoning',
  promptCacheKey: 'prompt_cache_key',
  verbosity: 'text.verbosity',
  serviceTier: 'service_tier',
  topLogprobs: 'top_logprobs',
};

export function readSettings(body: JsonObject, extras: Extras): ReadSettings {
  const text = optional(body['text'], 'text', readObject) ?? {};
  extras.rest(text, TEXT_FIELDS, 'text');
  const topLogprobs = optional(body['top_logprobs'], 'top_logprobs', integerIn(0, MAX_TOP_LOGPROBS));
  const logprobsAt =
    readInclude(body['include'], extras) ?? (topLogprobs === null || topLogprobs === 0 ? null : 'top_logprobs');
  const identifier = optional(body['safety_identifier'], 'safety_identifier', readString);
  const tier = optional(body['service_tier'], 'service_tier', readName);
  const settings: Settings = {
    ...NO_SETTINGS,
    maxTokens: optional(body['max_output_tokens'], 'max_output_tokens', integerIn(1, Number.MAX_SAFE_INTEGER)),
    temperature: optional(body['temperature'], 'temperature', numberIn(0, 2)),
    topP: optional(body['top_p'], 'top_p', numberIn(0, 1)),
    logprobs: logprobsAt === null ? null : true,
    topLogprobs,
    toolChoice: readToolChoice(body['tool_choice'], extras),
    parallelToolCalls: optional(body['parallel_tool_calls'], 'parallel_tool_calls', readFlag),
    output: readFormat(text['format'], extras),
    reasoning: readReasoning(body['reasoning'], extras),
    // OpenAI has replaced `user` by `safety_identifier`.
    user: identifier ?? optional(body['user'], 'user', readString),
    promptCacheKey: optional(body['prompt_cache_key'], 'prompt_cache_key', readString),
    verbosity: optional(text['verbosity'], 'text.verbosity', oneOf(VERBOSITIES)),
    // What a request without the field gets.
    serviceTier: tier === 'auto' ? null : tier,
  };
  const spelled = {
    ...SPELLING,
    user: identifier === null ? 'user' : 'safety_identifier',
    logprobs: logprobsAt ?? 'include',
  };
  const given = Object.entries(spelled).filter(([name]) => settings[name as Setting] !== null);
  return { settings, spelling: Object.fromEntries(given) };
}

/**
 * Where `include` asks for log probabilities; null if it does not. Signed thoughts are given whether asked for or not: nothing is stored
 * here, so that a conversation could not go on without them.
 */
function readInclude(value: unknown, extras: Extras): string | null {
  let logprobsAt: string | null = null;
  (optional(value, 'include', readList) ?? []).forEach((entry, index) => {
    const at = `include[${index}]`;
    const name = readString(entry, at);
    if (name === LOGPROBS) logprobsAt = at;
    else if (name !== THOUGHTS) extras.add(at, 'include', name);
  });
  return logprobsAt;
}

function readFormat(value: unknown, extras: Extras): OutputFormat | null {
  const format = optional(value, 'text.format', readObject);
  if (format === null) return null;
  const type = readString(format['type'], 'text.format.type');
  switch (type) {
    case 'text':
      return null;
    case 'json_object':
      return { kind: 'json' };
    case 'json_schema':
      extras.rest(format, SCHEMA_FIELDS, 'text.format');
      return {
        kind: 'json_schema',
        name: readName(format['name'], 'text.format.name'),
        description: optional(format['description'], 'text.format.description', readString),
        schema: readObject(format['schema'], 'text.format.schema'),
        strict: optional(format['strict'], 'text.format.strict', readFlag),
      };
    default:
      throw bad('text.format.type', '"text.format.type" must be one of "text", "json_object", "json_schema".');
  }
}

function readReasoning(value: unknown, extras: Extras): Reasoning | null {
  const reasoning = optional(value, 'reasoning', readObject);
  if (reasoning === null) return null;
  extras.rest(reasoning, REASONING_FIELDS, 'reasoning');
  const effort = optional(reasoning['effort'], 'reasoning.effort', oneOf(REASONING_EFFORTS));
  const summary =
    optional(reasoning['summary'], 'reasoning.summary', oneOf(SUMMARIES)) ??
    optional(reasoning['generate_summary'], 'reasoning.generate_summary', oneOf(SUMMARIES));
  if (effort === null && summary === null) return null;
  return { effort, budgetTokens: null, show: summary === null ? null : true, adaptive: false };
}
