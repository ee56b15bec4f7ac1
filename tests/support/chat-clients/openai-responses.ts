import OpenAI, { APIError } from 'openai';
import type { Response, ResponseCreateParamsNonStreaming, ResponseInput } from 'openai/resources/responses/responses';
import { type Ask, type ChatClient, type Outcome, PERSON, PIXEL, RESULT, WEATHER } from './client.ts';

export function openaiResponsesClient(gatewayUrl: string, apiKey: string): ChatClient {
  const openai = new OpenAI({ baseURL: `${gatewayUrl}/v1`, apiKey, maxRetries: 0 });
  return {
    dialect: 'openai-responses',
    sdk: 'openai (responses)',
    chat: async (ask) => outcomeOf(await openai.responses.create(paramsOf(ask), { signal: ask.signal ?? null })),
    stream: async (ask) => {
      const stream = openai.responses.stream({ ...paramsOf(ask), stream: true }, { signal: ask.signal ?? null });
      return outcomeOf(await stream.finalResponse());
    },
    failureOf: (error) =>
      error instanceof APIError
        ? { status: error.status, message: error.message }
        : { status: undefined, message: String(error) },
  };
}

function paramsOf(ask: Ask): ResponseCreateParamsNonStreaming {
  const input: ResponseInput = [
    {
      role: 'user',
      content: [
        { type: 'input_text', text: ask.prompt },
        ...(ask.image
          ? [{ type: 'input_image' as const, detail: 'auto' as const, image_url: `data:image/png;base64,${PIXEL}` }]
          : []),
      ],
    },
  ];
  for (const { id, name, arguments: json } of ask.results ?? []) {
    input.push({ type: 'function_call', call_id: id, name, arguments: json });
  }
  for (const { id } of ask.results ?? []) input.push({ type: 'function_call_output', call_id: id, output: RESULT });
  return {
    model: ask.group,
    input,
    store: false,
    ...(ask.system === undefined ? {} : { instructions: ask.system }),
    ...(ask.tools ? { tools: [{ type: 'function', ...WEATHER, strict: true }] } : {}),
    ...(ask.toolChoice === undefined ? {} : { tool_choice: ask.toolChoice }),
    ...(ask.parallel === undefined ? {} : { parallel_tool_calls: ask.parallel }),
    ...(ask.schema ? { text: { format: { type: 'json_schema', name: 'person', schema: PERSON, strict: true } } } : {}),
    ...(ask.reasoning ? { reasoning: { effort: 'low', summary: 'auto' } } : {}),
    // This API has no stop texts: what is asked for cannot be said in it.
    ...(ask.stop === undefined ? {} : ({ stop: ask.stop } as object)),
    ...(ask.maxTokens === undefined ? {} : { max_output_tokens: ask.maxTokens }),
  };
}

function outcomeOf(response: Response): Outcome {
  const calls = response.output.flatMap((item) =>
    item.type === 'function_call' ? [{ id: item.call_id, name: item.name, arguments: JSON.parse(item.arguments) }] : [],
  );
  const reason = response.incomplete_details?.reason;
  return {
    text: response.output
      .flatMap((item) => (item.type === 'message' ? item.content : []))
      .map((part) => (part.type === 'output_text' ? part.text : ''))
      .join(''),
    calls,
    reasoning: response.output
      .flatMap((item) => (item.type === 'reasoning' ? item.summary.map(({ text }) => text) : []))
      .join(''),
    finish:
      reason === 'max_output_tokens'
        ? 'length'
        : reason === 'content_filter'
          ? 'content_filter'
          : calls.length > 0
            ? 'tool_calls'
            : response.status === 'completed'
              ? 'stop'
              : 'other',
    inputTokens: response.usage?.input_tokens ?? null,
    outputTokens: response.usage?.output_tokens ?? null,
  };
}
