import type { Extra, JsonObject, OutputFormat, Tool, ToolChoice } from '../../chat/request.ts';
import { readCache } from './chat-content.ts';
import {
  fault,
  noteExtras,
  optional,
  readBoolean,
  readList,
  readName,
  readObject,
  readText,
  readWord,
} from './chat-fields.ts';

/** Reads `tools`. Those that are no functions (custom, or another server's own) become extras, as settings do. */
export function readTools(value: unknown, extras: Extra[]): Tool[] {
  return readList(value, 'tools').flatMap((item, index) => {
    const at = `tools[${index}]`;
    const tool = readObject(item, at);
    if (tool['type'] !== 'function') {
      extras.push({ at, name: at, value: tool });
      return [];
    }
    noteExtras(tool, at, new Set(['type', 'function', 'cache_control']), extras);
    return [readFunction(tool, at, extras)];
  });
}

function readFunction(tool: JsonObject, at: string, extras: Extra[]): Tool {
  const where = `${at}.function`;
  const said = readObject(tool['function'], where);
  noteExtras(said, where, new Set(['name', 'description', 'parameters', 'strict']), extras);
  return {
    at,
    name: readName(said['name'], `${where}.name`),
    description: optional(said['description'], `${where}.description`, readText),
    parameters: optional(said['parameters'], `${where}.parameters`, readObject),
    strict: optional(said['strict'], `${where}.strict`, readBoolean),
    cache: readCache(tool),
  };
}

const CHOICE = 'tool_choice';

/** All of OpenAI's forms, and Mistral's `any`; null for one that only its own tools have. */
export function readToolChoice(value: unknown): ToolChoice | null {
  if (typeof value === 'string') {
    const kind = readWord(value, CHOICE, ['auto', 'none', 'required', 'any']);
    return { kind: kind === 'any' ? 'required' : kind };
  }
  const choice = readObject(value, CHOICE);
  switch (choice['type']) {
    case 'function':
      return { kind: 'tool', name: readChosen(choice, CHOICE) };
    case 'allowed_tools':
      return readAllowed(readObject(choice['allowed_tools'], `${CHOICE}.allowed_tools`));
    case 'custom':
      return null;
    default:
      throw fault(`${CHOICE}.type`, 'must be one of: function, allowed_tools, custom');
  }
}

function readAllowed(allowed: JsonObject): ToolChoice | null {
  const at = `${CHOICE}.allowed_tools`;
  const mode = readWord(allowed['mode'], `${at}.mode`, ['auto', 'required']);
  const tools = readList(allowed['tools'], `${at}.tools`).map((tool, index) =>
    readObject(tool, `${at}.tools[${index}]`),
  );
  if (tools.some((tool) => tool['type'] !== 'function')) return null;
  const names = tools.map((tool, index) => readChosen(tool, `${at}.tools[${index}]`));
  return { kind: 'allowed', names, required: mode === 'required' };
}

function readChosen(choice: JsonObject, at: string): string {
  return readName(readObject(choice['function'], `${at}.function`)['name'], `${at}.function.name`);
}

/** Reads `response_format`; null for text, which goes without saying. */
export function readOutput(value: unknown, extras: Extra[]): OutputFormat | null {
  const at = 'response_format';
  const format = readObject(value, at);
  const type = readWord(format['type'], `${at}.type`, ['text', 'json_object', 'json_schema']);
  noteExtras(format, at, new Set(['type', 'json_schema']), extras);
  switch (type) {
    case 'text':
      return null;
    case 'json_object':
      return { kind: 'json' };
    case 'json_schema': {
      const where = `${at}.json_schema`;
      const said = readObject(format['json_schema'], where);
      noteExtras(said, where, new Set(['name', 'description', 'schema', 'strict']), extras);
      return {
        kind: 'json_schema',
        name: optional(said['name'], `${where}.name`, readText),
        description: optional(said['description'], `${where}.description`, readText),
        schema: readObject(said['schema'], `${where}.schema`),
        strict: optional(said['strict'], `${where}.strict`, readBoolean),
      };
    }
    default:
      return type satisfies never;
  }
}
