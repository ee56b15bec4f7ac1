import type { ModelFacts } from '#translation/chat/provider.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, JsonObject, Setting, Tool } from '#translation/chat/request.ts';
import { takesSampling } from './generations.ts';
import { planThinking, type Thinking } from './thinking.ts';

/** With thoughts, `top_p` may be 0.95 to 1 (Anthropic's page "Extended thinking", read 2026-11). */
const MIN_TOP_P_THINKING = 0.95;

/** All of the body but the conversation. What the Messages API cannot be told goes to `refusals`. */
export function writeSettings(request: ChatRequest, model: ModelFacts, refusals: Refusals): JsonObject {
  const { settings } = request;
  const refuse = (setting: Setting, why: string) => refusals.setting(request.spelling[setting] ?? setting, why);
  refuseUnknown(request, refuse);
  const thinking = writeThinking(request, model, refuse);
  return {
    max_tokens: thinking.maxTokens,
    ...present('stop_sequences', writeStop(settings.stop, refuse)),
    ...(takesSampling(model.upstreamModel)
      ? writeSampling(request, thinking.isOn, refuse)
      : refuseSampling(request, refuse)),
    ...present('thinking', thinking.thinking),
    ...present('output_config', writeOutput(request, thinking.effort, refuse)),
    ...writeTools(request, thinking.isOn, refuse),
    ...(settings.user === null ? {} : { metadata: { user_id: settings.user } }),
    ...present('service_tier', writeServiceTier(settings.serviceTier, refuse)),
  };
}

type Refuse = (setting: Setting, why: string) => void;

function present(name: string, value: unknown): JsonObject {
  return value === null ? {} : { [name]: value };
}

function refuseUnknown({ settings }: ChatRequest, refuse: Refuse): void {
  const isEmpty = (value: JsonObject | null) => value === null || Object.keys(value).length === 0;
  if (settings.seed !== null) refuse('seed', 'takes no seed');
  if ((settings.frequencyPenalty ?? 0) !== 0) refuse('frequencyPenalty', 'takes no penalties');
  if ((settings.presencePenalty ?? 0) !== 0) refuse('presencePenalty', 'takes no penalties');
  if (!isEmpty(settings.logitBias)) refuse('logitBias', 'takes no bias');
  if (settings.logprobs === true) refuse('logprobs', 'gives no log probabilities');
  if ((settings.topLogprobs ?? 0) !== 0) refuse('topLogprobs', 'gives no log probabilities');
  if ((settings.candidates ?? 1) !== 1) refuse('candidates', 'gives one answer only');
  if (settings.promptCacheKey !== null) refuse('promptCacheKey', 'takes no key of a cache');
  if (settings.verbosity !== null) refuse('verbosity', 'takes no verbosity');
}

function writeThinking({ settings }: ChatRequest, model: ModelFacts, refuse: Refuse): Thinking {
  const limit = { tokens: settings.maxTokens ?? model.defaultMaxTokens, isCallers: settings.maxTokens !== null };
  const none: Thinking = { thinking: null, effort: null, maxTokens: limit.tokens, isOn: false };
  if (settings.reasoning === null) return none;
  const planned = planThinking(settings.reasoning, limit, model.upstreamModel);
  if (planned !== null) return planned;
  refuse('reasoning', `cannot think within a limit of ${limit.tokens} tokens, thoughts included`);
  return none;
}

function writeStop(stop: readonly string[] | null, refuse: Refuse): readonly string[] | null {
  if (stop === null || stop.length === 0) return null;
  if (!stop.some((text) => text.trim() === '')) return stop;
  refuse('stop', 'takes no stop sequence of white space only');
  const kept = stop.filter((text) => text.trim() !== '');
  return kept.length === 0 ? null : kept;
}

function refuseSampling({ settings }: ChatRequest, refuse: Refuse): JsonObject {
  for (const setting of ['temperature', 'topP', 'topK'] as const) {
    if (settings[setting] !== null) refuse(setting, 'takes it no more from this model on');
  }
  return {};
}

function writeSampling({ settings }: ChatRequest, isThinking: boolean, refuse: Refuse): JsonObject {
  const { temperature, topP, topK } = settings;
  const sampling: Record<string, number> = {};
  if (temperature !== null) {
    if (temperature > 1) refuse('temperature', 'takes a temperature of 0 to 1');
    else if (isThinking && temperature !== 1)
      refuse('temperature', 'takes no temperature but 1 while the model thinks');
    else sampling['temperature'] = temperature;
  }
  if (topP !== null) {
    if (isThinking && topP < MIN_TOP_P_THINKING) {
      refuse('topP', `takes ${MIN_TOP_P_THINKING} to 1 while the model thinks`);
    } else sampling['top_p'] = topP;
  }
  if (topK !== null) {
    if (isThinking) refuse('topK', 'takes no such limit while the model thinks');
    else sampling['top_k'] = topK;
  }
  return sampling;
}

function writeOutput({ settings }: ChatRequest, effort: string | null, refuse: Refuse): JsonObject | null {
  const { output } = settings;
  const config: Record<string, unknown> = effort === null ? {} : { effort };
  if (output?.kind === 'json') refuse('output', 'writes JSON by a schema only');
  else if (output !== null) {
    const { description, schema } = output;
    const isDescribed = description === null || 'description' in schema;
    config['format'] = { type: 'json_schema', schema: isDescribed ? schema : { description, ...schema } };
  }
  return Object.keys(config).length === 0 ? null : config;
}

function writeTools({ tools, settings }: ChatRequest, isThinking: boolean, refuse: Refuse): JsonObject {
  const { toolChoice, parallelToolCalls } = settings;
  const allowed = toolChoice?.kind === 'allowed' ? tools.filter(({ name }) => toolChoice.names.includes(name)) : tools;
  if (allowed.length === 0) return {};
  const written = { tools: allowed.map(writeTool) };
  let choice = writeToolChoice(toolChoice);
  if (isThinking && (choice === 'any' || (typeof choice === 'object' && choice !== null))) {
    refuse('toolChoice', 'cannot be made to call a tool while the model thinks');
    choice = null;
  }
  const single = parallelToolCalls === false && choice !== 'none' ? { disable_parallel_tool_use: true } : null;
  if (choice === null && single === null) return written;
  const base = typeof choice === 'object' && choice !== null ? { type: 'tool', ...choice } : { type: choice ?? 'auto' };
  return { ...written, tool_choice: { ...base, ...single } };
}

function writeToolChoice(
  choice: ChatRequest['settings']['toolChoice'],
): 'auto' | 'none' | 'any' | { readonly name: string } | null {
  switch (choice?.kind) {
    case undefined:
      return null;
    case 'auto':
    case 'none':
      return choice.kind;
    case 'required':
      return 'any';
    case 'allowed':
      return choice.required ? 'any' : 'auto';
    case 'tool':
      return { name: choice.name };
    default:
      return choice satisfies never;
  }
}

function writeTool({ name, description, parameters, strict, cache }: Tool): JsonObject {
  return {
    name,
    ...present('description', description),
    input_schema: parameters ?? { type: 'object', properties: {} },
    ...present('strict', strict),
    ...(cache === null ? {} : { cache_control: writeCacheMark(cache) }),
  };
}

/** `cache_control` of a block or a tool. */
export function writeCacheMark({ ttl }: NonNullable<Tool['cache']>): JsonObject {
  return { type: 'ephemeral', ...present('ttl', ttl) };
}

/** OpenAI's words for the same two choices are understood, too. */
function writeServiceTier(tier: string | null, refuse: Refuse): string | null {
  if (tier === null || tier === 'auto' || tier === 'standard_only') return tier;
  if (tier === 'default') return 'standard_only';
  refuse('serviceTier', 'knows the tiers "auto" and "standard_only" only');
  return null;
}
