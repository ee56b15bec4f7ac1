import type { Extra, JsonObject, Tool, ToolChoice } from '../../chat/request.ts';
import { isRecord } from '../../wires/exact-json.ts';
import { bad, Fields } from './fields.ts';
import { toJsonSchema } from './open-api-schema.ts';

/** The function declarations of all tools; tools that Google runs itself (search, code, maps) are extras. */
export function readTools(body: Fields, isStrict: boolean, extras: Extra[]): Tool[] {
  return body.list('tools').flatMap(({ value, at }) => {
    const tool = new Fields(value, at);
    const made = tool
      .list('functionDeclarations')
      .map((item) => readDeclaration(new Fields(item.value, item.at), isStrict, extras));
    tool.rest(extras);
    return made;
  });
}

function readDeclaration(declaration: Fields, isStrict: boolean, extras: Extra[]): Tool {
  const name = declaration.string('name');
  if (name === null || name === '') throw bad(declaration.where('name'), 'is missing');
  const description = declaration.string('description');
  const openApi = declaration.take('parameters');
  const jsonSchema = declaration.take('parametersJsonSchema');
  declaration.rest(extras);
  return {
    at: declaration.at,
    name,
    description,
    parameters: readParameters(openApi, jsonSchema, declaration),
    strict: isStrict ? true : null,
    cache: null,
  };
}

function readParameters(openApi: unknown, jsonSchema: unknown, declaration: Fields): JsonObject | null {
  if (jsonSchema !== undefined) {
    if (!isRecord(jsonSchema)) throw bad(declaration.where('parametersJsonSchema'), 'must be an object');
    return jsonSchema;
  }
  if (openApi === undefined) return null;
  if (!isRecord(openApi)) throw bad(declaration.where('parameters'), 'must be an object');
  return toJsonSchema(openApi);
}

export interface ReadChoice {
  readonly choice: ToolChoice | null;
  /** VALIDATED: calls match their schemas. */
  readonly isStrict: boolean;
  readonly at: string;
}

/** The function calling mode. */
export function readToolConfig(body: Fields, extras: Extra[]): ReadChoice {
  const config = body.fields('toolConfig');
  const calling = config?.fields('functionCallingConfig') ?? null;
  config?.rest(extras);
  if (calling === null) return { choice: null, isStrict: false, at: body.where('toolConfig') };
  const mode = (calling.string('mode') ?? 'MODE_UNSPECIFIED').toUpperCase();
  const names = calling.strings('allowedFunctionNames');
  calling.rest(extras);
  return { choice: choiceOf(mode, names, calling), isStrict: mode === 'VALIDATED', at: calling.at };
}

function choiceOf(mode: string, names: readonly string[], calling: Fields): ToolChoice | null {
  const [only] = names;
  switch (mode) {
    case 'ANY':
      if (only === undefined) return { kind: 'required' };
      return names.length === 1 ? { kind: 'tool', name: only } : { kind: 'allowed', names, required: true };
    case 'AUTO':
    case 'VALIDATED':
      return only === undefined ? { kind: 'auto' } : { kind: 'allowed', names, required: false };
    case 'NONE':
      return { kind: 'none' };
    case 'MODE_UNSPECIFIED':
      return null;
    default:
      throw bad(calling.where('mode'), 'must be AUTO, ANY, NONE or VALIDATED');
  }
}
