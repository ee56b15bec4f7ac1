import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, Tool } from '#translation/chat/request.ts';
import { cachePoint } from './chat-content.ts';

/** `toolConfig`: the tools and which of them must be called; empty where none may be. */
export function writeTools(request: ChatRequest, refusals: Refusals): { readonly toolConfig?: object } {
  const { tools, settings, spelling } = request;
  if (tools.length === 0) return {};
  if (settings.parallelToolCalls === false) {
    refusals.setting(spelling.parallelToolCalls ?? 'parallelToolCalls', 'cannot forbid parallel tool calls');
  }
  const choice = settings.toolChoice;
  if (choice === null) return { toolConfig: { tools: tools.flatMap(writeTool) } };
  switch (choice.kind) {
    case 'auto':
      return { toolConfig: { tools: tools.flatMap(writeTool), toolChoice: { auto: {} } } };
    case 'required':
      return { toolConfig: { tools: tools.flatMap(writeTool), toolChoice: { any: {} } } };
    case 'tool':
      return { toolConfig: { tools: tools.flatMap(writeTool), toolChoice: { tool: { name: choice.name } } } };
    case 'allowed': {
      const allowed = tools.filter(({ name }) => choice.names.includes(name));
      return {
        toolConfig: { tools: allowed.flatMap(writeTool), toolChoice: choice.required ? { any: {} } : { auto: {} } },
      };
    }
    case 'none':
      // There is no such choice, and a model without tools calls none; but a conversation with calls in it must come with its tools.
      if (!hasCalls(request)) return {};
      refusals.setting(spelling.toolChoice ?? 'toolChoice', 'cannot forbid tool calls after there were some');
      return { toolConfig: { tools: tools.flatMap(writeTool) } };
    default:
      return choice satisfies never;
  }
}

function writeTool({ name, description, parameters, strict, cache }: Tool): object[] {
  const toolSpec = {
    name,
    ...(description === null ? {} : { description }),
    inputSchema: { json: parameters ?? { type: 'object', properties: {} } },
    ...(strict === null ? {} : { strict }),
  };
  return [{ toolSpec }, ...cachePoint(cache)];
}

function hasCalls({ messages }: ChatRequest): boolean {
  return messages.some(({ parts }) => parts.some(({ type }) => type === 'tool_call' || type === 'tool_result'));
}
