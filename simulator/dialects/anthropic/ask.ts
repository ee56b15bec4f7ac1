import type { Ask } from '../../plan.ts';
import { isThinking, joinTurns } from './rules.ts';
import type { Block, MessagesRequest, Prompt } from './schema.ts';

/** What is charged around each turn, and for a picture or a page. */
const TURN_TOKENS = 3;
const MEDIA_TOKENS = 85;

/** What an answer depends on. */
export function askOf(request: MessagesRequest): Ask {
  const choice = request.tool_choice ?? { type: 'auto' as const };
  const last = request.messages.at(-1)!;
  return {
    model: request.model,
    ...measure(request),
    maxTokens: request.max_tokens,
    stop: request.stop_sequences ?? [],
    tools: (request.tools ?? []).map(({ name, input_schema: schema }) => ({ name, schema })),
    toolChoice: choice.type === 'tool' ? { name: choice.name } : choice.type === 'any' ? 'required' : choice.type,
    parallel: !('disable_parallel_tool_use' in choice && choice.disable_parallel_tool_use === true),
    afterToolResult: Array.isArray(last.content) && last.content.some(({ type }) => type === 'tool_result'),
    schema: request.output_config?.format?.schema ?? null,
    showReasoning: isThinking(request) && !hidesThinking(request),
  };
}

export function hidesThinking({ thinking }: Prompt): boolean {
  return thinking !== undefined && 'display' in thinking && thinking.display === 'omitted';
}

/** All text of a prompt, and the tokens that are charged beside it. */
export function measure(prompt: Prompt): Pick<Ask, 'promptText' | 'extraPromptTokens'> {
  const { system, tools } = prompt;
  const texts = typeof system === 'string' ? [system] : (system ?? []).map(({ text }) => text);
  let extra = 0;
  for (const { role, blocks } of joinTurns(prompt)) {
    extra += TURN_TOKENS;
    texts.push(role);
    for (const block of blocks) {
      const text = textOf(block);
      if (text === null) extra += MEDIA_TOKENS;
      else texts.push(text);
    }
  }
  if (tools !== undefined) texts.push(JSON.stringify(tools.map(({ name, input_schema: schema }) => [name, schema])));
  return { promptText: texts.join(' '), extraPromptTokens: extra };
}

function textOf(block: Block): string | null {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'tool_use':
      return `${block.name} ${JSON.stringify(block.input)}`;
    case 'tool_result':
      return typeof block.content === 'string' ? block.content : JSON.stringify(block.content ?? '');
    case 'thinking':
      return block.thinking;
    case 'redacted_thinking':
      return '';
    case 'document':
      return block.source.type === 'text' ? block.source.data : null;
    case 'image':
      return null;
    default:
      return block satisfies never;
  }
}

/** Whether anything is to be written to the cache. */
export function marksCache(prompt: Prompt): boolean {
  if ((prompt.cache_control ?? null) !== null) return true;
  const marked = [
    ...(Array.isArray(prompt.system) ? prompt.system : []),
    ...(prompt.tools ?? []),
    ...joinTurns(prompt).flatMap(({ blocks }) => blocks),
  ];
  return marked.some((item) => 'cache_control' in item && (item.cache_control ?? null) !== null);
}
