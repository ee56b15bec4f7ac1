import {
  type Extra,
  NO_SETTINGS,
  type OutputFormat,
  REASONING_EFFORTS,
  type Reasoning,
  type Setting,
  type Settings,
} from '../../chat/request.ts';
import { isRecord } from '../../wires/exact-json.ts';
import { bad, type Fields } from './fields.ts';
import { toJsonSchema } from './open-api-schema.ts';

export interface ReadSettings {
  readonly settings: Settings;
  readonly spelling: Partial<Record<Setting, string>>;
}

const NUMBERS: readonly (readonly [Setting, string])[] = [
  ['temperature', 'temperature'],
  ['topP', 'topP'],
  ['frequencyPenalty', 'frequencyPenalty'],
  ['presencePenalty', 'presencePenalty'],
];
const INTEGERS: readonly (readonly [Setting, string])[] = [
  ['maxTokens', 'maxOutputTokens'],
  ['topK', 'topK'],
  ['seed', 'seed'],
  ['candidates', 'candidateCount'],
  ['topLogprobs', 'logprobs'],
];

/** The `generationConfig`; what only Google's models know of it (voices, sizes of images) becomes extras. */
export function readGenerationConfig(config: Fields | null, extras: Extra[]): ReadSettings {
  if (config === null) return { settings: NO_SETTINGS, spelling: {} };
  const found: Partial<Record<Setting, unknown>> = {};
  const spelling: Partial<Record<Setting, string>> = {};
  const note = (setting: Setting, name: string, value: unknown) => {
    if (value === null) return;
    found[setting] = value;
    spelling[setting] = config.where(name);
  };
  for (const [setting, name] of NUMBERS) note(setting, name, config.number(name));
  for (const [setting, name] of INTEGERS) note(setting, name, config.integer(name));
  note('stop', 'stopSequences', config.has('stopSequences') ? config.strings('stopSequences') : null);
  note('logprobs', 'responseLogprobs', config.boolean('responseLogprobs'));
  note('reasoning', 'thinkingConfig', readThinking(config.fields('thinkingConfig'), extras));
  const [name, output] = readOutput(config, extras);
  note('output', name, output);
  const modalities = config.has('responseModalities') ? config.strings('responseModalities') : [];
  if (modalities.some((modality) => modality.toUpperCase() !== 'TEXT')) config.extra('responseModalities', extras);
  config.rest(extras);
  return { settings: { ...NO_SETTINGS, ...(found as Partial<Settings>) }, spelling };
}

/** The name of the field that decides, and what the answer must look like. */
function readOutput(config: Fields, extras: Extra[]): [name: string, output: OutputFormat | null] {
  const mimeType = config.string('responseMimeType');
  const openApi = config.take('responseSchema');
  const jsonSchema = config.take('responseJsonSchema');
  if (mimeType !== null && mimeType !== 'text/plain' && mimeType !== 'application/json') {
    config.extra('responseMimeType', extras);
    config.extra('responseSchema', extras);
    return ['responseMimeType', null];
  }
  const name = jsonSchema === undefined ? 'responseSchema' : 'responseJsonSchema';
  const given = jsonSchema ?? openApi;
  if (given === undefined) return ['responseMimeType', mimeType === 'application/json' ? { kind: 'json' } : null];
  if (!isRecord(given)) throw bad(config.where(name), 'must be an object');
  const schema = jsonSchema === undefined ? toJsonSchema(given) : given;
  return [name, { kind: 'json_schema', name: null, description: null, schema, strict: null }];
}

function readThinking(config: Fields | null, extras: Extra[]): Reasoning | null {
  if (config === null) return null;
  const budget = config.integer('thinkingBudget');
  const level = config.string('thinkingLevel')?.toLowerCase() ?? null;
  const show = config.boolean('includeThoughts');
  config.rest(extras);
  const effort = REASONING_EFFORTS.find((name) => name === level) ?? null;
  if (effort === null && level !== null && level !== 'thinking_level_unspecified') {
    throw bad(config.where('thinkingLevel'), 'must be MINIMAL, LOW, MEDIUM, HIGH or XHIGH');
  }
  // -1: the model decides.
  const isDynamic = budget !== null && budget < 0;
  return { effort, budgetTokens: isDynamic ? null : budget, show, adaptive: isDynamic };
}
