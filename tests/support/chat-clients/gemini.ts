import {
  ApiError,
  type GenerateContentParameters,
  type GenerateContentResponse,
  GoogleGenAI,
  type Part,
} from '@google/genai';
import { type Ask, type ChatClient, type Outcome, PERSON, PIXEL, RESULT, WEATHER } from './client.ts';

export function geminiClient(gatewayUrl: string, apiKey: string): ChatClient {
  const genai = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: gatewayUrl } });
  return {
    dialect: 'gemini',
    sdk: '@google/genai',
    chat: async (ask) => outcomeOf([await genai.models.generateContent(paramsOf(ask))]),
    stream: async (ask) => {
      const chunks: GenerateContentResponse[] = [];
      for await (const chunk of await genai.models.generateContentStream(paramsOf(ask))) chunks.push(chunk);
      return outcomeOf(chunks);
    },
    failureOf: (error) =>
      error instanceof ApiError
        ? { status: error.status, message: error.message }
        : { status: undefined, message: String(error) },
  };
}

function paramsOf(ask: Ask): GenerateContentParameters {
  const contents: GenerateContentParameters['contents'] = [
    {
      role: 'user',
      parts: [{ text: ask.prompt }, ...(ask.image ? [{ inlineData: { mimeType: 'image/png', data: PIXEL } }] : [])],
    },
  ];
  if (ask.results !== undefined) {
    contents.push({
      role: 'model',
      parts: ask.results.map(({ id, name, arguments: json }) => ({
        functionCall: { id, name, args: JSON.parse(json) },
      })),
    });
    contents.push({
      role: 'user',
      parts: ask.results.map(({ id, name }) => ({ functionResponse: { id, name, response: JSON.parse(RESULT) } })),
    });
  }
  return {
    model: ask.group,
    contents,
    config: {
      ...(ask.signal === undefined ? {} : { abortSignal: ask.signal }),
      ...(ask.system === undefined ? {} : { systemInstruction: ask.system }),
      ...(ask.tools
        ? {
            tools: [
              {
                functionDeclarations: [
                  { name: WEATHER.name, description: WEATHER.description, parametersJsonSchema: WEATHER.parameters },
                ],
              },
            ],
          }
        : {}),
      ...(ask.toolChoice === 'required' ? { toolConfig: { functionCallingConfig: { mode: 'ANY' as never } } } : {}),
      ...(ask.schema ? { responseMimeType: 'application/json', responseJsonSchema: PERSON } : {}),
      ...(ask.reasoning ? { thinkingConfig: { thinkingBudget: 1_024, includeThoughts: true } } : {}),
      ...(ask.stop === undefined ? {} : { stopSequences: [ask.stop] }),
      ...(ask.maxTokens === undefined ? {} : { maxOutputTokens: ask.maxTokens }),
    },
  };
}

function outcomeOf(chunks: readonly GenerateContentResponse[]): Outcome {
  const parts: Part[] = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []);
  const calls = parts.flatMap(({ functionCall }) =>
    functionCall === undefined
      ? []
      : [{ id: functionCall.id ?? '', name: functionCall.name ?? '', arguments: functionCall.args }],
  );
  const finish = chunks.map((chunk) => chunk.candidates?.[0]?.finishReason).findLast((reason) => reason !== undefined);
  const usage = chunks.map((chunk) => chunk.usageMetadata).findLast((said) => said !== undefined);
  const candidates = usage?.candidatesTokenCount;
  return {
    text: parts.map((part) => (part.thought === true ? '' : (part.text ?? ''))).join(''),
    calls,
    reasoning: parts.map((part) => (part.thought === true ? (part.text ?? '') : '')).join(''),
    finish:
      finish === 'MAX_TOKENS'
        ? 'length'
        : finish === 'SAFETY' || finish === 'PROHIBITED_CONTENT'
          ? 'content_filter'
          : finish !== 'STOP'
            ? 'other'
            : calls.length > 0
              ? 'tool_calls'
              : 'stop',
    inputTokens: usage?.promptTokenCount ?? null,
    outputTokens: candidates === undefined ? null : candidates + (usage?.thoughtsTokenCount ?? 0),
  };
}
