import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, OutputFormat, Setting } from '#translation/chat/request.ts';
import type { JsonRecord } from '#translation/wires/exact-json.ts';
import { writeThinking } from './thinking.ts';

const MAX_STOPS = 5;

/** What Google has no word for, and why. */
const UNKNOWN: Readonly<Partial<Record<Setting, string>>> = {
  logitBias: 'cannot bias single tokens',
  user: 'takes no user',
  promptCacheKey: 'caches prompts without keys',
  verbosity: 'cannot be told how long to write',
};

/** The service tiers of the Gemini API by the names that others have for them; undefined: the default. */
const TIERS: Readonly<Record<string, string | undefined>> = {
  auto: undefined,
  unspecified: undefined,
  default: 'standard',
  standard: 'standard',
  standard_only: 'standard',
  flex: 'flex',
  priority: 'priority',
};

/** The `generationConfig`; undefined where nothing is set. */
export function writeGenerationConfig(
  { settings, spelling }: ChatRequest,
  model: string,
  refusals: Refusals,
): JsonRecord | undefined {
  const at = (setting: Setting) => spelling[setting] ?? setting;
  for (const [setting, why] of Object.entries(UNKNOWN) as [Setting, string][]) {
    if (settings[setting] !== null) refusals.setting(at(setting), why);
  }
  if (settings.parallelToolCalls === false) {
    refusals.setting(at('parallelToolCalls'), 'cannot be kept from calling tools in parallel');
  }
  const stop = settings.stop ?? [];
  if (stop.length > MAX_STOPS) refusals.setting(at('stop'), `takes at most ${MAX_STOPS} stop sequences`);
  const { reasoning } = settings;
  const config = {
    temperature: settings.temperature ?? undefined,
    topP: settings.topP ?? undefined,
    topK: settings.topK ?? undefined,
    candidateCount: settings.candidates ?? undefined,
    maxOutputTokens: settings.maxTokens ?? undefined,
    stopSequences: stop.length === 0 ? undefined : stop.slice(0, MAX_STOPS),
    seed: settings.seed ?? undefined,
    presencePenalty: settings.presencePenalty ?? undefined,
    frequencyPenalty: settings.frequencyPenalty ?? undefined,
    // The others are counted only where the chosen ones are given.
    responseLogprobs: settings.logprobs ?? (settings.topLogprobs === null ? undefined : true),
    logprobs: settings.logprobs === false ? undefined : (settings.topLogprobs ?? undefined),
    ...writeOutput(settings.output),
    thinkingConfig: reasoning === null ? undefined : writeThinking(reasoning, model, at('reasoning'), refusals),
  };
  return Object.values(config).every((value) => value === undefined) ? undefined : config;
}

/** A schema is always kept to exactly, so that `strict` needs no word; its name serves others as an id only. */
function writeOutput(output: OutputFormat | null): JsonRecord {
  if (output === null) return {};
  if (output.kind === 'json') return { responseMimeType: 'application/json' };
  const { schema, description } = output;
  const isDescribed = description === null || 'description' in schema;
  return {
    responseMimeType: 'application/json',
    responseJsonSchema: isDescribed ? schema : { ...schema, description },
  };
}

export function writeServiceTier({ settings, spelling }: ChatRequest, refusals: Refusals): string | undefined {
  const { serviceTier } = settings;
  if (serviceTier === null) return undefined;
  if (!Object.hasOwn(TIERS, serviceTier)) {
    refusals.setting(spelling.serviceTier ?? 'serviceTier', `has no service tier "${serviceTier}"`);
    return undefined;
  }
  return TIERS[serviceTier];
}
