import {
  type ChatRequest,
  type Extra,
  type JsonObject,
  NO_SETTINGS,
  REASONING_EFFORTS,
  type Setting,
  type Settings,
} from '../../chat/request.ts';
import {
  fault,
  readBoolean,
  readInteger,
  readList,
  readNumber,
  readObject,
  readText,
  readWord,
} from './chat-fields.ts';
import { readOutput, readToolChoice } from './chat-tools.ts';

type Read = (value: unknown, at: string, extras: Extra[]) => Partial<Settings> | null;

/** One setting each; a later one of two keys for the same setting wins. Null: the value has no neutral meaning. */
const READERS: Readonly<Record<string, readonly [Setting, Read]>> = {
  max_tokens: ['maxTokens', (value, at) => ({ maxTokens: readInteger(value, at, 1) })],
  max_completion_tokens: ['maxTokens', (value, at) => ({ maxTokens: readInteger(value, at, 1) })],
  temperature: ['temperature', (value, at) => ({ temperature: readNumber(value, at) })],
  top_p: ['topP', (value, at) => ({ topP: readNumber(value, at) })],
  // Not OpenAI's own, but of most servers of this dialect.
  top_k: ['topK', (value, at) => ({ topK: readInteger(value, at, 0) })],
  seed: ['seed', (value, at) => ({ seed: readInteger(value, at, Number.MIN_SAFE_INTEGER) })],
  stop: ['stop', (value, at) => ({ stop: readStops(value, at) })],
  frequency_penalty: ['frequencyPenalty', (value, at) => ({ frequencyPenalty: readNumber(value, at) })],
  presence_penalty: ['presencePenalty', (value, at) => ({ presencePenalty: readNumber(value, at) })],
  logit_bias: ['logitBias', (value, at) => ({ logitBias: readObject(value, at) })],
  // What is false asks for nothing.
  logprobs: ['logprobs', (value, at) => ({ logprobs: readBoolean(value, at) ? true : null })],
  top_logprobs: ['topLogprobs', (value, at) => ({ topLogprobs: readInteger(value, at, 0) })],
  n: ['candidates', (value, at) => ({ candidates: readInteger(value, at, 1) })],
  parallel_tool_calls: ['parallelToolCalls', (value, at) => ({ parallelToolCalls: readBoolean(value, at) })],
  tool_choice: ['toolChoice', readChoice],
  response_format: ['output', (value, _at, extras) => ({ output: readOutput(value, extras) })],
  reasoning_effort: ['reasoning', readEffort],
  user: ['user', (value, at) => ({ user: readText(value, at) })],
  // Takes the place of `user` (API reference, read 2026-11).
  safety_identifier: ['user', (value, at) => ({ user: readText(value, at) })],
  prompt_cache_key: ['promptCacheKey', (value, at) => ({ promptCacheKey: readText(value, at) })],
  verbosity: ['verbosity', (value, at) => ({ verbosity: readWord(value, at, ['low', 'medium', 'high']) })],
  service_tier: ['serviceTier', (value, at) => ({ serviceTier: readText(value, at) })],
};

export const SETTING_KEYS: readonly string[] = Object.keys(READERS);

/** Reads every setting that is there, and how it was spelled. */
export function readSettings(body: JsonObject, extras: Extra[]): Pick<ChatRequest, 'settings' | 'spelling'> {
  let settings: Settings = NO_SETTINGS;
  const spelling: Partial<Record<Setting, string>> = {};
  for (const [key, [setting, read]] of Object.entries(READERS)) {
    const value = body[key];
    if (value === undefined || value === null) continue;
    const found = read(value, key, extras);
    if (found === null) extras.push({ at: key, name: key, value });
    else {
      settings = { ...settings, ...found };
      spelling[setting] = key;
    }
  }
  return { settings, spelling };
}

function readStops(value: unknown, at: string): readonly string[] {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) throw fault(at, 'must be a string or an array of strings');
  return readList(value, at).map((stop, index) => readText(stop, `${at}[${index}]`));
}

function readChoice(value: unknown): Partial<Settings> | null {
  const toolChoice = readToolChoice(value);
  return toolChoice === null ? null : { toolChoice };
}

function readEffort(value: unknown, at: string): Partial<Settings> {
  const effort = readWord(value, at, REASONING_EFFORTS);
  return { reasoning: { effort, budgetTokens: null, show: null, adaptive: false } };
}
