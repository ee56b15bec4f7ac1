import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, Reasoning, Setting, Settings } from '#translation/chat/request.ts';
import { saysNothing } from '#translation/chat/says-nothing.ts';

/** Where the settings stand in a Converse request. */
export interface WrittenSettings {
  readonly inferenceConfig?: object;
  readonly outputConfig?: object;
  readonly additionalModelRequestFields?: object;
  readonly additionalModelResponseFieldPaths?: readonly string[];
  readonly serviceTier?: object;
}

/** Settings that no field of Converse expresses, and how the refusal ends. */
const UNKNOWN: readonly (readonly [Setting, string])[] = [
  ['seed', 'has no seed'],
  ['frequencyPenalty', 'has no frequency penalty'],
  ['presencePenalty', 'has no presence penalty'],
  ['logitBias', 'has no logit bias'],
  ['logprobs', 'gives no log probabilities'],
  ['topLogprobs', 'gives no log probabilities'],
  ['candidates', 'gives one answer only'],
  ['user', 'has no place for the end user'],
  ['promptCacheKey', 'has no cache keys; mark the prompt instead'],
  ['verbosity', 'has no verbosity'],
];
const TIERS: ReadonlySet<string> = new Set(['default', 'flex', 'priority', 'reserved']);

/** Tokens of thoughts by effort. The least that Anthropic's models on Bedrock take is 1024. */
const BUDGETS = { minimal: 1024, low: 2048, medium: 8192, high: 24_576, xhigh: 32_768, max: 65_536 } as const;
const MIN_BUDGET = 1024;
/** What `outputConfig.effort` takes. */
const EFFORTS = { minimal: 'low', low: 'low', medium: 'medium', high: 'high', xhigh: 'xhigh', max: 'max' } as const;

/** Whether the model behind an id, a profile or an ARN is one of Anthropic's; a profile of one's own hides it. */
export function isAnthropic(upstreamModel: string): boolean {
  return upstreamModel.includes('anthropic.');
}

export function writeSettings(request: ChatRequest, upstreamModel: string, refusals: Refusals): WrittenSettings {
  const { settings, spelling } = request;
  const refuse = (setting: Setting, why: string) => refusals.setting(spelling[setting] ?? setting, why);
  for (const [setting, why] of UNKNOWN) if (!saysNothing(setting, settings[setting])) refuse(setting, why);

  const anthropic = isAnthropic(upstreamModel);
  const thoughts = writeReasoning(settings, anthropic, refuse);
  const fields = { ...writeTopK(settings, anthropic, refuse), ...thoughts.fields };
  const output = { ...writeOutput(settings, refuse), ...thoughts.output };
  const inference = {
    ...(settings.maxTokens === null ? {} : { maxTokens: settings.maxTokens }),
    ...writeTemperature(settings, refuse),
    ...(settings.topP === null ? {} : { topP: settings.topP }),
    ...(settings.stop === null || settings.stop.length === 0 ? {} : { stopSequences: settings.stop }),
  };
  const asksForStop = anthropic && (settings.stop?.length ?? 0) > 0;
  return {
    ...(isEmpty(inference) ? {} : { inferenceConfig: inference }),
    ...(isEmpty(output) ? {} : { outputConfig: output }),
    ...(isEmpty(fields) ? {} : { additionalModelRequestFields: fields }),
    // Converse itself does not say which text ended the answer.
    ...(asksForStop ? { additionalModelResponseFieldPaths: ['/stop_sequence'] } : {}),
    ...writeTier(settings, refuse),
  };
}

type Refuse = (setting: Setting, why: string) => void;

function writeTemperature({ temperature }: Settings, refuse: Refuse): object {
  if (temperature === null) return {};
  if (temperature <= 1) return { temperature };
  refuse('temperature', 'takes temperatures from 0 to 1');
  return {};
}

function writeTopK({ topK }: Settings, anthropic: boolean, refuse: Refuse): object {
  if (topK === null) return {};
  if (anthropic) return { top_k: topK };
  refuse('topK', "has no top-k but for Anthropic's models");
  return {};
}

function writeTier({ serviceTier }: Settings, refuse: Refuse): object {
  if (serviceTier === null || serviceTier === 'auto') return {};
  if (TIERS.has(serviceTier)) return { serviceTier: { type: serviceTier } };
  refuse('serviceTier', 'has the service tiers default, flex, priority and reserved');
  return {};
}

function writeOutput({ output }: Settings, refuse: Refuse): object {
  if (output === null) return {};
  if (output.kind === 'json') {
    refuse('output', 'gives JSON by a schema only');
    return {};
  }
  const { name, description, schema } = output;
  const jsonSchema = {
    schema: JSON.stringify(schema),
    ...(name === null ? {} : { name }),
    ...(description === null ? {} : { description }),
  };
  return { textFormat: { type: 'json_schema', structure: { jsonSchema } } };
}

interface WrittenReasoning {
  readonly fields: object;
  readonly output: object;
}

const NO_REASONING: WrittenReasoning = { fields: {}, output: {} };

/** Thinking as Anthropic's models take it in `additionalModelRequestFields`. */
function writeReasoning(settings: Settings, anthropic: boolean, refuse: Refuse): WrittenReasoning {
  const { reasoning } = settings;
  if (reasoning === null) return NO_REASONING;
  const { effort, budgetTokens, show, adaptive } = reasoning;
  if (effort === null && budgetTokens === null && !adaptive && show === null) return NO_REASONING;
  if (!anthropic) return writeEffort(reasoning, refuse);
  if (budgetTokens === 0 || (budgetTokens === null && effort === 'none')) {
    return { fields: { thinking: { type: 'disabled' } }, output: {} };
  }
  const display = show === null ? {} : { display: show ? 'summarized' : 'omitted' };
  if (adaptive) {
    const output = effort === null || effort === 'none' ? {} : { effort: EFFORTS[effort] };
    return { fields: { thinking: { type: 'adaptive', ...display } }, output };
  }
  const budget = budgetOf(reasoning, settings.maxTokens);
  if (budget === 'too-small') {
    refuse('reasoning', `needs a limit of more than ${MIN_BUDGET} tokens for an answer with thoughts`);
    return NO_REASONING;
  }
  if (budget === null) return NO_REASONING;
  return { fields: { thinking: { type: 'enabled', budget_tokens: budget, ...display } }, output: {} };
}

/**
 * Converse's own field for how much a model thinks, whoever made it. It knows no budgets, so that one becomes the greatest effort that it has
 * room for, and neither none nor hidden thoughts.
 */
function writeEffort({ effort, budgetTokens, show }: Reasoning, refuse: Refuse): WrittenReasoning {
  const wanted = budgetTokens === null ? effort : effortFor(budgetTokens);
  if (wanted === 'none' || show === false) {
    refuse('reasoning', "switches the thoughts of Anthropic's models off or hides them, and no others'");
    return NO_REASONING;
  }
  return wanted === null ? NO_REASONING : { fields: {}, output: { effort: EFFORTS[wanted] } };
}

function effortFor(budgetTokens: number): 'none' | keyof typeof BUDGETS {
  if (budgetTokens === 0) return 'none';
  const efforts = Object.keys(BUDGETS) as (keyof typeof BUDGETS)[];
  return efforts.findLast((effort) => BUDGETS[effort] <= budgetTokens) ?? 'minimal';
}

/** A budget from 1024 to one less than the answer's limit, in which thoughts count. */
function budgetOf({ effort, budgetTokens }: Reasoning, maxTokens: number | null): number | null | 'too-small' {
  const wanted = budgetTokens ?? (effort === null || effort === 'none' ? null : BUDGETS[effort]);
  if (wanted === null) return null;
  if (maxTokens !== null && maxTokens <= MIN_BUDGET) return 'too-small';
  return Math.max(MIN_BUDGET, Math.min(wanted, maxTokens === null ? wanted : maxTokens - 1));
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}
