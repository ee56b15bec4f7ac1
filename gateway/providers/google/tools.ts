import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, ToolChoice } from '#translation/chat/request.ts';
import type { JsonRecord } from '#translation/wires/exact-json.ts';

/** The tools as function declarations; schemas go as the JSON Schema that they are. */
export function writeTools({ tools }: ChatRequest, refusals: Refusals): JsonRecord[] | undefined {
  if (tools.length === 0) return undefined;
  return [
    {
      functionDeclarations: tools.map(({ at, name, description, parameters, cache }) => {
        if (cache !== null) refusals.leftOut(at);
        return {
          name,
          description: description ?? undefined,
          parametersJsonSchema: parameters ?? undefined,
        };
      }),
    },
  ];
}

/**
 * How tools may be called. `strict` tools are what the mode VALIDATED is for: calls or text, and calls that match their schema;
 * the mode ANY holds them to it anyway.
 */
export function writeToolConfig({ tools, settings }: ChatRequest): JsonRecord | undefined {
  const config = writeChoice(
    settings.toolChoice,
    tools.some(({ strict }) => strict === true),
  );
  return config === undefined ? undefined : { functionCallingConfig: config };
}

function writeChoice(choice: ToolChoice | null, isStrict: boolean): JsonRecord | undefined {
  if (choice === null) return isStrict ? { mode: 'VALIDATED' } : undefined;
  switch (choice.kind) {
    case 'auto':
      return { mode: isStrict ? 'VALIDATED' : 'AUTO' };
    case 'none':
      return { mode: 'NONE' };
    case 'required':
      return { mode: 'ANY' };
    case 'tool':
      return { mode: 'ANY', allowedFunctionNames: [choice.name] };
    case 'allowed':
      return { mode: choice.required ? 'ANY' : 'VALIDATED', allowedFunctionNames: choice.names };
    default:
      return choice satisfies never;
  }
}
