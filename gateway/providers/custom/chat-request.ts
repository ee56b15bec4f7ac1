import type { CustomChat, PickName } from '#core/custom-provider.ts';
import { leaveOutCacheMarks } from '#translation/chat/cache-marks.ts';
import type { ModelFacts } from '#translation/chat/provider.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, OutputFormat, Reasoning, Setting, Settings } from '#translation/chat/request.ts';
import { saysNothing } from '#translation/chat/says-nothing.ts';
import { type Takes, writeMessages, writeToolChoice, writeTools } from './openai-messages.ts';
import { promptText, systemText } from './plain-text.ts';
import { compileTemplate } from './template.ts';

/** Where a setting of the request is picked; null: no template can. */
const PICK_OF: Readonly<Record<Setting, PickName | null>> = {
  maxTokens: 'max_tokens',
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  seed: 'seed',
  stop: 'stop',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  toolChoice: 'tool_choice',
  parallelToolCalls: 'parallel_tool_calls',
  output: 'response_format',
  reasoning: 'reasoning_effort',
  user: 'user',
  logitBias: null,
  logprobs: null,
  topLogprobs: null,
  candidates: null,
  promptCacheKey: null,
  verbosity: null,
  serviceTier: null,
};

/** Compiles how requests are written: the template filled, and everything refused that it has no place for. */
export function compileRequest({ request: json, stream, images }: CustomChat) {
  const template = compileTemplate(json);
  const { picks } = template;
  const takes: Takes = { images, tools: picks.has('tools') };
  const withSystem = !picks.has('system');

  return (request: ChatRequest, { upstreamModel }: ModelFacts, refusals: Refusals): Buffer => {
    const { settings, tools } = request;
    if (request.stream && stream === undefined) refusals.content('stream', 'does not stream');
    if (tools.length > 0) {
      if (!takes.tools) refusals.content(tools[0]!.at, 'has no tools');
      if (request.stream) refusals.content(tools[0]!.at, 'streams no calls of tools');
    }
    refuseUnpicked(request, picks, refusals);
    leaveOutCacheMarks(request, refusals);

    const values = (name: PickName): unknown => {
      switch (name) {
        case 'model':
          return upstreamModel;
        case 'stream':
          return request.stream;
        case 'messages':
          return writeMessages(request, withSystem, takes, refusals);
        case 'prompt':
          return promptText(request, withSystem, refusals);
        case 'system':
          return systemText(request);
        case 'tools':
          return tools.length === 0 ? undefined : writeTools(tools);
        default:
          return settingOf(name, settings);
      }
    };
    return Buffer.from(JSON.stringify(template.fill(values)));
  };
}

function refuseUnpicked({ settings, spelling }: ChatRequest, picks: ReadonlySet<PickName>, refusals: Refusals): void {
  for (const setting of Object.keys(PICK_OF) as Setting[]) {
    if (saysNothing(setting, settings[setting])) continue;
    const pick = PICK_OF[setting];
    if (pick === null || !picks.has(pick)) {
      refusals.setting(spelling[setting] ?? pick ?? setting, 'has no place for it in its template');
    }
  }
}

type SettingPick = Exclude<PickName, 'model' | 'stream' | 'messages' | 'prompt' | 'system' | 'tools'>;

function settingOf(name: SettingPick, settings: Settings): unknown {
  switch (name) {
    case 'max_tokens':
      return settings.maxTokens;
    case 'temperature':
      return settings.temperature;
    case 'top_p':
      return settings.topP;
    case 'top_k':
      return settings.topK;
    case 'seed':
      return settings.seed;
    case 'stop':
      return settings.stop;
    case 'frequency_penalty':
      return settings.frequencyPenalty;
    case 'presence_penalty':
      return settings.presencePenalty;
    case 'tool_choice':
      return settings.toolChoice === null ? null : writeToolChoice(settings.toolChoice);
    case 'parallel_tool_calls':
      return settings.parallelToolCalls;
    case 'response_format':
      return settings.output === null ? null : writeFormat(settings.output);
    case 'reasoning_effort':
      return settings.reasoning === null ? null : effortOf(settings.reasoning);
    case 'user':
      return settings.user;
    default:
      return name satisfies never;
  }
}

/** OpenAI's `response_format`. */
function writeFormat(output: OutputFormat): object {
  if (output.kind === 'json') return { type: 'json_object' };
  const { name, description, schema, strict } = output;
  return {
    type: 'json_schema',
    json_schema: {
      name: name ?? 'answer',
      ...(description === null ? {} : { description }),
      schema,
      ...(strict === null ? {} : { strict }),
    },
  };
}

/** Efforts and the tokens that stand for them, the greatest first. */
const EFFORTS = [
  ['max', 65_536],
  ['xhigh', 32_768],
  ['high', 24_576],
  ['medium', 8_192],
  ['low', 2_048],
  ['minimal', 1_024],
] as const;

/** The effort, or the greatest that a budget has room for. */
function effortOf({ effort, budgetTokens }: Reasoning): string | null {
  if (effort !== null || budgetTokens === null) return effort;
  if (budgetTokens === 0) return 'none';
  return EFFORTS.find(([, tokens]) => tokens <= budgetTokens)?.[0] ?? 'minimal';
}
