import type { Tool, ToolChoice } from '../../chat/request.ts';
import { bad, Fields } from './fields.ts';
import { type Reading, readCacheMark } from './reading.ts';

/** The caller's own tools. Those that Anthropic runs or defines (`"type": "web_search_…"`) become extras. */
export function readTools(body: Fields, reading: Reading): Tool[] {
  const tools: Tool[] = [];
  body.list('tools')?.forEach((value, index) => {
    const fields = new Fields(value, `tools[${index}]`);
    const type = fields.text('type');
    if (type !== null && type !== 'custom') {
      reading.extras.push({ at: fields.at, name: 'tools', value });
      return;
    }
    tools.push({
      at: fields.at,
      name: fields.neededText('name'),
      description: fields.text('description'),
      parameters: fields.object('input_schema'),
      strict: fields.flag('strict'),
      cache: readCacheMark(fields, reading),
    });
    fields.leave(reading.extras);
  });
  return tools;
}

/** `tool_choice` and, in it, whether calls may be made in parallel. */
export function readToolChoice(
  body: Fields,
  reading: Reading,
): { readonly toolChoice: ToolChoice | null; readonly parallelToolCalls: boolean | null } {
  const fields = body.fields('tool_choice');
  if (fields === null) return { toolChoice: null, parallelToolCalls: null };
  const type = fields.neededText('type');
  const single = fields.flag('disable_parallel_tool_use');
  const toolChoice = readChoice(fields, type);
  fields.leave(reading.extras);
  return { toolChoice, parallelToolCalls: single === null ? null : !single };
}

function readChoice(fields: Fields, type: string): ToolChoice {
  switch (type) {
    case 'auto':
    case 'none':
      return { kind: type };
    case 'any':
      return { kind: 'required' };
    case 'tool':
      return { kind: 'tool', name: fields.neededText('name') };
    default:
      throw bad(fields.path('type'), 'must be "auto", "any", "tool" or "none"');
  }
}
