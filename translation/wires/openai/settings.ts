import type { Refusals } from '../../chat/refusals.ts';
import type { ChatRequest, OutputFormat, Reasoning, Setting, ToolChoice } from '../../chat/request.ts';
import { saysNothing } from '../../chat/says-nothing.ts';
import type { OpenAiServer, ReasoningEffort } from './server.ts';

/** How many tokens each effort may think, where another dialect counts them. */
const EFFORT_TOKENS: Readonly<Record<ReasoningEffort, number>> = {
  none: 0,
  minimal: 1_024,
  low: 2_048,
  medium: 8_192,
  high: 24_576,
  xhigh: 32_768,
  max: 65_536,
};

/** The settings of a request under the server's keys. */
export function writeSettings(request: ChatRequest, server: OpenAiServer, refusals: Refusals): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  const { settings, spelling } = request;
  for (const setting of Object.keys(settings) as Setting[]) {
    if (settings[setting] === null) continue;
    const key = server.keys[setting];
    const refuse = (why: string) => refusals.setting(spelling[setting] ?? setting, why);
    if (key === undefined) {
      if (!saysNothing(setting, settings[setting])) refuse('has no such setting');
      continue;
    }
    const value = writeSetting(setting, request, server, refuse);
    if (value !== undefined) body[key] = value;
  }
  if (
    settings.topLogprobs !== null &&
    settings.logprobs === null &&
    body[server.keys.topLogprobs ?? ''] !== undefined
  ) {
    // OpenAI counts the others only where it gives the chosen ones.
    body[server.keys.logprobs ?? 'logprobs'] = true;
  }
  return body;
}

type Refuse = (why: string) => void;

/** Undefined: nothing is sent. */
function writeSetting(setting: Setting, request: ChatRequest, server: OpenAiServer, refuse: Refuse): unknown {
  const { settings, tools } = request;
  switch (setting) {
    case 'temperature':
      return within(settings.temperature, server.temperatureMax, refuse);
    case 'topLogprobs':
      return within(settings.topLogprobs, server.topLogprobsMax, refuse);
    case 'stop':
      if (settings.stop === null || settings.stop.length === 0) return undefined;
      if (settings.stop.length <= server.maxStops) return settings.stop;
      return void refuse(`takes ${server.maxStops} of them at most`);
    case 'toolChoice':
      if (settings.toolChoice === null) return undefined;
      // Without tools OpenAI refuses even what then goes without saying.
      if (tools.length === 0 && ['auto', 'none'].includes(settings.toolChoice.kind)) return undefined;
      return writeToolChoice(settings.toolChoice, server, refuse);
    case 'parallelToolCalls':
      return tools.length === 0 ? undefined : settings.parallelToolCalls;
    case 'output':
      return settings.output === null ? undefined : writeOutput(settings.output, server, refuse);
    case 'reasoning':
      return settings.reasoning === null ? undefined : writeEffort(settings.reasoning, server, refuse);
    case 'serviceTier':
      return settings.serviceTier === null ? undefined : writeServiceTier(settings.serviceTier, server, refuse);
    default:
      return settings[setting];
  }
}

function within(value: number | null, max: number, refuse: Refuse): number | undefined {
  if (value === null) return undefined;
  return value <= max ? value : void refuse(`takes ${max} at most`);
}

function writeToolChoice(choice: ToolChoice, server: OpenAiServer, refuse: Refuse): unknown {
  switch (choice.kind) {
    case 'auto':
    case 'none':
      return choice.kind;
    case 'required':
      return server.requiredToolChoice;
    case 'tool':
      return { type: 'function', function: { name: choice.name } };
    case 'allowed': {
      if (!server.allowedTools) return void refuse('cannot limit the choice to some of the tools');
      const tools = choice.names.map((name) => ({ type: 'function', function: { name } }));
      return { type: 'allowed_tools', allowed_tools: { mode: choice.required ? 'required' : 'auto', tools } };
    }
    default:
      return choice satisfies never;
  }
}

function writeOutput(output: OutputFormat, server: OpenAiServer, refuse: Refuse): unknown {
  if (!server.outputs.has(output.kind)) return void refuse('cannot hold its answers to that format');
  if (output.kind === 'json') return { type: 'json_object' };
  const { name, description, schema, strict } = output;
  return {
    type: 'json_schema',
    json_schema: {
      // OpenAI requires a name; other dialects have none.
      name: name ?? 'answer',
      ...(description === null ? {} : { description }),
      schema,
      ...(strict === null || !server.strict ? {} : { strict }),
    },
  };
}

function writeEffort({ effort, budgetTokens, show }: Reasoning, server: OpenAiServer, refuse: Refuse): unknown {
  if (show === true && !server.showsReasoning) refuse('does not show thoughts in chat completions');
  if (effort !== null) {
    return server.efforts.includes(effort) ? effort : void refuse(`does not know the effort "${effort}"`);
  }
  if (budgetTokens === null) return undefined;
  const fitting = server.efforts.filter((known) => EFFORT_TOKENS[known] <= budgetTokens).at(-1);
  // Thinking was asked for: "none" would be another request than little.
  if (budgetTokens > 0 && (fitting === undefined || fitting === 'none')) {
    const least = server.efforts.find((known) => known !== 'none');
    return least ?? void refuse('cannot set how much it thinks');
  }
  return fitting ?? void refuse('cannot be kept from thinking');
}

function writeServiceTier(tier: string, { serviceTiers }: OpenAiServer, refuse: Refuse): unknown {
  // Anthropic's word for what OpenAI calls "default".
  const known = tier === 'standard_only' ? 'default' : tier;
  if (serviceTiers === null || serviceTiers.includes(known)) return known;
  return void refuse(`knows these only: ${serviceTiers.join(', ')}`);
}
