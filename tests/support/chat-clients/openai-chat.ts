import OpenAI, { APIError } from 'openai';
import type { ChatCompletion, ChatCompletionCreateParamsNonStreaming } from 'openai/resources/chat/completions';
import { type Ask, type ChatClient, type Outcome, PERSON, PIXEL, RESULT, WEATHER } from './client.ts';

type Messages = ChatCompletionCreateParamsNonStreaming['messages'];

export function openaiChatClient(gatewayUrl: string, apiKey: string): ChatClient {
  const openai = new OpenAI({ baseURL: `${gatewayUrl}/v1`, apiKey, maxRetries: 0 });
  return {
    dialect: 'openai-chat',
    sdk: 'openai (chat.completions)',
    chat: async (ask) => outcomeOf(await openai.chat.completions.create(paramsOf(ask), { signal: ask.signal ?? null })),
    stream: async (ask) => {
      const params = { ...paramsOf(ask), stream: true as const, stream_options: { include_usage: true } };
      const stream = openai.chat.completions.stream(params, { signal: ask.signal ?? null });
      // The helper does not know this field: it keeps the last delta of it in place of all.
      let reasoning = '';
      stream.on('chunk', ({ choices }) => {
        reasoning += (choices[0]?.delta as { reasoning_content?: string } | undefined)?.reasoning_content ?? '';
      });
      return { ...outcomeOf(await stream.finalChatCompletion()), reasoning };
    },
    failureOf: (error) =>
      error instanceof APIError
        ? { status: error.status, message: error.message }
        : { status: undefined, message: String(error) },
  };
}

function paramsOf(ask: Ask): ChatCompletionCreateParamsNonStreaming {
  const messages: Messages = [
    ...(ask.system === undefined ? [] : [{ role: 'system' as const, content: ask.system }]),
    {
      role: 'user',
      content: ask.image
        ? [
            { type: 'text', text: ask.prompt },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
          ]
        : ask.prompt,
    },
  ];
  if (ask.results !== undefined) {
    messages.push({
      role: 'assistant',
      tool_calls: ask.results.map(({ id, name, arguments: json }) => ({
        id,
        type: 'function',
        function: { name, arguments: json },
      })),
    });
    for (const { id } of ask.results) messages.push({ role: 'tool', tool_call_id: id, content: RESULT });
  }
  return {
    model: ask.group,
    messages,
    ...(ask.tools ? { tools: [{ type: 'function', function: WEATHER }] } : {}),
    ...(ask.toolChoice === undefined ? {} : { tool_choice: ask.toolChoice }),
    ...(ask.parallel === undefined ? {} : { parallel_tool_calls: ask.parallel }),
    ...(ask.schema
      ? { response_format: { type: 'json_schema', json_schema: { name: 'person', schema: PERSON, strict: true } } }
      : {}),
    ...(ask.reasoning ? { reasoning_effort: 'low' } : {}),
    ...(ask.stop === undefined ? {} : { stop: ask.stop }),
    ...(ask.maxTokens === undefined ? {} : { max_tokens: ask.maxTokens }),
  };
}

const FINISH = { stop: 'stop', length: 'length', tool_calls: 'tool_calls', content_filter: 'content_filter' } as const;

function outcomeOf(completion: ChatCompletion): Outcome {
  const { message, finish_reason: finish } = completion.choices[0]!;
  return {
    text: message.content ?? '',
    calls: (message.tool_calls ?? []).map((call) => {
      if (call.type !== 'function') throw new Error(`a call of type ${call.type}`);
      return { id: call.id, name: call.function.name, arguments: JSON.parse(call.function.arguments) };
    }),
    reasoning: (message as { reasoning_content?: string }).reasoning_content ?? '',
    finish: FINISH[finish as keyof typeof FINISH] ?? 'other',
    inputTokens: completion.usage?.prompt_tokens ?? null,
    outputTokens: completion.usage?.completion_tokens ?? null,
  };
}
