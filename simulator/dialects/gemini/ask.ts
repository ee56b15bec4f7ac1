import type { Ask } from '../../plan.ts';
import type { GenerateRequest, Part } from './schema.ts';

/** What the API charges for an image of small size, and for whatever else is no text. */
const MEDIA_TOKENS = 258;

/** What an answer depends on. */
export function askOf(request: GenerateRequest, model: string): Ask {
  const { contents, systemInstruction, tools, toolConfig, generationConfig: config } = request;
  const declarations = (tools ?? []).flatMap(({ functionDeclarations }) => functionDeclarations ?? []);
  const parts = [...(systemInstruction?.parts ?? []), ...contents.flatMap((content) => content.parts)];
  const texts = parts.map(textOf);
  if (declarations.length > 0) texts.push(JSON.stringify(declarations));
  return {
    model,
    promptText: texts.join('\n'),
    extraPromptTokens: parts.filter(({ inlineData, fileData }) => inlineData ?? fileData).length * MEDIA_TOKENS,
    maxTokens: config?.maxOutputTokens ?? null,
    stop: config?.stopSequences ?? [],
    tools: declarations.map(({ name, parametersJsonSchema, parameters }) => ({
      name,
      schema: parametersJsonSchema ?? parameters ?? {},
    })),
    toolChoice: choiceOf(toolConfig?.functionCallingConfig),
    parallel: true,
    afterToolResult: contents.at(-1)?.parts.some(({ functionResponse }) => functionResponse !== undefined) ?? false,
    schema:
      config?.responseMimeType === 'application/json'
        ? (config.responseJsonSchema ?? config.responseSchema ?? {})
        : null,
    showReasoning: config?.thinkingConfig?.includeThoughts === true,
  };
}

/** The text of a prompt, as far as it is counted: of calls and results their JSON. */
export function textOf({ text, functionCall, functionResponse }: Part): string {
  return text ?? JSON.stringify(functionCall ?? functionResponse?.response ?? '');
}

function choiceOf(calling: NonNullable<GenerateRequest['toolConfig']>['functionCallingConfig']): Ask['toolChoice'] {
  const [name] = calling?.allowedFunctionNames ?? [];
  switch (calling?.mode) {
    case 'ANY':
      return name === undefined ? 'required' : { name };
    case 'NONE':
      return 'none';
    default:
      return 'auto';
  }
}
