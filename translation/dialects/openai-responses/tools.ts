import type { JsonObject, Tool, ToolChoice } from '../../chat/request.ts';
import {
  bad,
  type Extras,
  oneOf,
  optional,
  readFlag,
  readList,
  readName,
  readObject,
  readString,
  unsupported,
} from './fields.ts';

const FUNCTION_FIELDS = new Set(['type', 'name', 'description', 'parameters', 'strict']);
const MODES = ['auto', 'none', 'required'] as const;
const CUSTOM = 'tools whose input is free text ("custom") exist at OpenAI only';

/** Functions are tools; what OpenAI itself would do (a search, a sandbox) is an extra: no other provider can be told. */
export function readTools(value: unknown, extras: Extras): Tool[] {
  return (optional(value, 'tools', readList) ?? []).flatMap((entry, index) => {
    const at = `tools[${index}]`;
    const tool = readObject(entry, at);
    const type = readString(tool['type'], `${at}.type`);
    if (type === 'custom') throw unsupported(at, CUSTOM);
    if (type === 'function') return [readFunction(tool, at, extras)];
    extras.add(at, type, tool);
    return [];
  });
}

function readFunction(tool: JsonObject, at: string, extras: Extras): Tool {
  const options = Object.fromEntries(Object.entries(tool).filter(([, value]) => value !== false));
  extras.rest(options, FUNCTION_FIELDS, at);
  return {
    at,
    name: readName(tool['name'], `${at}.name`),
    description: optional(tool['description'], `${at}.description`, readString),
    parameters: optional(tool['parameters'], `${at}.parameters`, readObject),
    strict: optional(tool['strict'], `${at}.strict`, readFlag),
    cache: null,
  };
}

export function readToolChoice(value: unknown, extras: Extras): ToolChoice | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return { kind: oneOf(MODES)(value, 'tool_choice') };
  const choice = readObject(value, 'tool_choice');
  const type = readString(choice['type'], 'tool_choice.type');
  switch (type) {
    case 'function':
      return { kind: 'tool', name: readName(choice['name'], 'tool_choice.name') };
    case 'allowed_tools':
      return readAllowed(choice, extras);
    case 'custom':
      throw unsupported('tool_choice', CUSTOM);
    default:
      extras.add('tool_choice', 'tool_choice', choice);
      return null;
  }
}

function readAllowed(choice: JsonObject, extras: Extras): ToolChoice {
  const mode = oneOf(['auto', 'required'])(choice['mode'], 'tool_choice.mode');
  const names = readList(choice['tools'], 'tool_choice.tools').flatMap((entry, index) => {
    const at = `tool_choice.tools[${index}]`;
    const tool = readObject(entry, at);
    const type = readString(tool['type'], `${at}.type`);
    if (type === 'custom') throw unsupported(at, CUSTOM);
    if (type === 'function') return [readName(tool['name'], `${at}.name`)];
    extras.add(at, type, tool);
    return [];
  });
  if (names.length > 0) return { kind: 'allowed', names, required: mode === 'required' };
  if (mode === 'auto') return { kind: 'none' };
  throw bad('tool_choice.tools', '"tool_choice.tools" names no function that could be called.');
}
