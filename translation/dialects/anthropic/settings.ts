import type { At } from '../../chat/parts.ts';
import { NO_SETTINGS, type Reasoning, type Setting, type Settings } from '../../chat/request.ts';
import { bad, type Fields } from './fields.ts';
import type { Reading } from './reading.ts';
import { readToolChoice } from './tools.ts';

interface ReadSettings {
  readonly settings: Settings;
  readonly spelling: Readonly<Partial<Record<Setting, At>>>;
}

const MIN_BUDGET_TOKENS = 1024;

/** All of a request that is neither a turn nor a tool. `max_tokens` is required, as Anthropic requires it. */
export function readSettings(body: Fields, reading: Reading): ReadSettings {
  const maxTokens = body.count('max_tokens', 1);
  if (maxTokens === null) throw bad('max_tokens', 'is missing');
  const metadata = body.fields('metadata');
  const output = body.fields('output_config');
  const found: Partial<Settings> = {
    maxTokens,
    temperature: body.number('temperature', 0, 1),
    topP: body.number('top_p', 0, 1),
    topK: body.count('top_k', 0),
    stop: body.texts('stop_sequences'),
    ...readToolChoice(body, reading),
    output: output === null ? null : readOutput(output, reading),
    reasoning: readReasoning(body, output, reading),
    user: metadata?.text('user_id') ?? null,
    serviceTier: body.text('service_tier'),
  };
  metadata?.leave(reading.extras);
  output?.leave(reading.extras);
  const spelling: Record<string, At> = {};
  for (const [name, value] of Object.entries(found)) if (value !== null) spelling[name] = SPELLING[name as Setting]!;
  if (found.reasoning != null && body.take('thinking') === null) spelling['reasoning'] = 'output_config.effort';
  return { settings: { ...NO_SETTINGS, ...found }, spelling };
}

const SPELLING: Readonly<Partial<Record<Setting, At>>> = {
  maxTokens: 'max_tokens',
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  stop: 'stop_sequences',
  toolChoice: 'tool_choice',
  parallelToolCalls: 'tool_choice.disable_parallel_tool_use',
  output: 'output_config.format',
  reasoning: 'thinking',
  user: 'metadata.user_id',
  serviceTier: 'service_tier',
};

function readOutput(config: Fields, { extras }: Reading): Settings['output'] {
  const format = config.fields('format');
  if (format === null) return null;
  if (format.neededText('type') !== 'json_schema') throw bad(format.path('type'), 'must be "json_schema"');
  const schema = format.object('schema');
  if (schema === null) throw bad(format.path('schema'), 'is missing');
  format.leave(extras);
  return { kind: 'json_schema', name: null, description: null, schema, strict: true };
}

/** `thinking` and `output_config.effort` together. With thinking off, effort means only length, which nobody else has: an extra. */
function readReasoning(body: Fields, config: Fields | null, { extras }: Reading): Reasoning | null {
  const effort = config?.choice('effort', ['low', 'medium', 'high', 'xhigh', 'max']) ?? null;
  const thinking = body.fields('thinking');
  if (thinking === null) {
    return effort === null ? null : { effort, budgetTokens: null, show: null, adaptive: false };
  }
  const type = thinking.neededText('type');
  const display = thinking.choice('display', ['summarized', 'omitted']);
  const show = display === null ? null : display === 'summarized';
  const read = (): Reasoning | null => {
    switch (type) {
      case 'adaptive':
        return { effort, budgetTokens: null, show, adaptive: true };
      case 'enabled': {
        const budgetTokens = thinking.count('budget_tokens', MIN_BUDGET_TOKENS);
        if (budgetTokens === null) throw bad(thinking.path('budget_tokens'), 'is missing');
        return { effort, budgetTokens, show, adaptive: false };
      }
      case 'disabled':
        if (effort !== null) extras.push({ at: 'output_config.effort', name: 'effort', value: effort });
        return { effort: 'none', budgetTokens: 0, show, adaptive: false };
      case 'between_tools':
        extras.push({ at: 'thinking', name: 'thinking', value: { type } });
        return effort === null ? null : { effort, budgetTokens: null, show, adaptive: false };
      default:
        throw bad(thinking.path('type'), 'must be "enabled", "disabled", "adaptive" or "between_tools"');
    }
  };
  const reasoning = read();
  thinking.leave(extras);
  return reasoning;
}
