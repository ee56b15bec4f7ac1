import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, OutputFormat, Reasoning, Setting, Tool, ToolChoice } from '#translation/chat/request.ts';

type Body = Record<string, unknown>;

/** Cohere's documented limits (API reference, Chat v2). */
const MAX_STOPS = 5;
const MAX_TOP_K = 500;
const [MIN_TOP_P, MAX_TOP_P] = [0.01, 0.99];
const MAX_PENALTY = 1;

/** Thinking tokens of an effort: the gateway's scale. Cohere documents no range but "positive". */
const BUDGETS = { minimal: 1024, low: 2048, medium: 8192, high: 24576, xhigh: 32768, max: 65536 } as const;

/** Settings without any counterpart, and what of each is Cohere's own way anyway. */
const UNKNOWN: Partial<Record<Setting, { readonly harmless: unknown; readonly why: string }>> = {
  logitBias: { harmless: null, why: 'has no logit bias' },
  topLogprobs: { harmless: 0, why: 'gives the log probabilities of the chosen tokens only' },
  candidates: { harmless: 1, why: 'gives one answer' },
  parallelToolCalls: { harmless: true, why: 'cannot be kept from calling several tools at once' },
  user: { harmless: null, why: 'takes no id of the end user' },
  promptCacheKey: { harmless: null, why: 'takes no cache key' },
  verbosity: { harmless: null, why: 'has no verbosity' },
  serviceTier: { harmless: null, why: 'has no service tiers' },
};

/** The fields of a body that are settings, tools among them; `hasDocuments`: the body has documents. */
export function writeSettings(request: ChatRequest, hasDocuments: boolean, refusals: Refusals): Body {
  const { settings, spelling } = request;
  const at = (setting: Setting) => spelling[setting] ?? setting;
  for (const [name, { harmless, why }] of Object.entries(UNKNOWN)) {
    const setting = name as Setting;
    const value = settings[setting];
    if (value !== null && value !== harmless) refusals.setting(at(setting), why);
  }
  const body: Body = {};
  const put = (name: string, value: unknown) => {
    if (value !== null) body[name] = value;
  };
  const within = (setting: Setting, allowed: boolean, why: string) => {
    if (!allowed) refusals.setting(at(setting), why);
    return allowed;
  };
  put('max_tokens', settings.maxTokens);
  put('temperature', settings.temperature);
  // 1 means "all tokens" elsewhere; Cohere's range ends just below, and leaving it out would mean 0.75.
  put('p', settings.topP === null ? null : Math.min(Math.max(settings.topP, MIN_TOP_P), MAX_TOP_P));
  const { topK, stop } = settings;
  if (topK !== null && within('topK', topK <= MAX_TOP_K, `samples from at most ${MAX_TOP_K} tokens`)) put('k', topK);
  put('seed', settings.seed);
  if (stop !== null && stop.length > 0) {
    if (within('stop', stop.length <= MAX_STOPS, `stops at ${MAX_STOPS} sequences at most`)) {
      put('stop_sequences', stop);
    }
  }
  for (const [setting, name] of PENALTIES) {
    const penalty = settings[setting];
    if (penalty === null) continue;
    const allowed = penalty >= 0 && penalty <= MAX_PENALTY;
    if (within(setting, allowed, `takes a penalty from 0 to ${MAX_PENALTY}`)) put(name, penalty);
  }
  put('logprobs', settings.logprobs);
  put('thinking', settings.reasoning === null ? null : writeThinking(settings.reasoning));
  Object.assign(body, writeTools(request, refusals));
  if (settings.output !== null) {
    const beside = request.tools.length > 0 ? 'tools' : hasDocuments ? 'documents' : null;
    if (beside !== null) refusals.setting(at('output'), `takes no output format beside ${beside}`);
    else put('response_format', writeFormat(settings.output));
  }
  return body;
}

const PENALTIES = [
  ['frequencyPenalty', 'frequency_penalty'],
  ['presencePenalty', 'presence_penalty'],
] as const;

/** Cohere always shows the thoughts that it has; whether the caller gets them is for the caller's dialect. */
function writeThinking({ effort, budgetTokens }: Reasoning): Body {
  if (effort === 'none' || budgetTokens === 0) return { type: 'disabled' };
  const budget = budgetTokens ?? (effort === null ? null : BUDGETS[effort]);
  return budget === null ? { type: 'enabled' } : { type: 'enabled', token_budget: budget };
}

function writeFormat(output: OutputFormat): Body {
  // A schema is always followed strictly; names and descriptions of formats are nothing that a model sees here.
  return output.kind === 'json' ? { type: 'json_object' } : { type: 'json_object', json_schema: output.schema };
}

function writeTools(request: ChatRequest, refusals: Refusals): Body {
  const { tools, settings, spelling } = request;
  let { offered, choice } = choose(tools, settings.toolChoice);
  if (offered.length === 0 && choice !== null && choice !== 'NONE') {
    refusals.setting(spelling.toolChoice ?? 'toolChoice', 'can call only the tools that it is given');
    [offered, choice] = [tools, null];
  }
  if (offered.length === 0) return {};
  const body: Body = { tools: offered.map((tool) => writeTool(tool, refusals)) };
  if (choice !== null) body['tool_choice'] = choice;
  const strict = offered.filter((tool) => tool.strict === true);
  if (strict.length > 0 && strict.length === offered.length) body['strict_tools'] = true;
  else for (const tool of strict) refusals.setting(`${tool.at}.strict`, 'is strict with all tools or with none');
  return body;
}

/** Cohere knows no choice among tools: those that are not to be called are not offered, which comes to the same. */
function choose(
  tools: readonly Tool[],
  choice: ToolChoice | null,
): { offered: readonly Tool[]; choice: string | null } {
  switch (choice?.kind) {
    case undefined:
    case 'auto':
      return { offered: tools, choice: null };
    case 'none':
      return { offered: tools, choice: 'NONE' };
    case 'required':
      return { offered: tools, choice: 'REQUIRED' };
    case 'tool':
      return { offered: tools.filter(({ name }) => name === choice.name), choice: 'REQUIRED' };
    case 'allowed':
      return {
        offered: tools.filter(({ name }) => choice.names.includes(name)),
        choice: choice.required ? 'REQUIRED' : null,
      };
    default:
      return choice satisfies never;
  }
}

function writeTool({ at, name, description, parameters, cache }: Tool, refusals: Refusals): Body {
  if (cache !== null) refusals.leftOut(`${at}.cache_control`);
  return {
    type: 'function',
    // `parameters` is required.
    function: {
      name,
      ...(description === null ? {} : { description }),
      parameters: parameters ?? { type: 'object', properties: {} },
    },
  };
}
