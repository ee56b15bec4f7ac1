import Anthropic, { APIError } from '@anthropic-ai/sdk';
import type { Message, MessageCreateParamsNonStreaming, MessageParam } from '@anthropic-ai/sdk/resources/messages';
import { type Ask, type ChatClient, type Outcome, PERSON, PIXEL, RESULT, WEATHER } from './client.ts';

export function anthropicClient(gatewayUrl: string, apiKey: string): ChatClient {
  const anthropic = new Anthropic({ baseURL: gatewayUrl, apiKey, maxRetries: 0 });
  return {
    dialect: 'anthropic',
    sdk: '@anthropic-ai/sdk',
    chat: async (ask) => outcomeOf(await anthropic.messages.create(paramsOf(ask), { signal: ask.signal ?? null })),
    stream: async (ask) =>
      outcomeOf(await anthropic.messages.stream(paramsOf(ask), { signal: ask.signal ?? null }).finalMessage()),
    failureOf: (error) =>
      error instanceof APIError
        ? { status: error.status, message: error.message }
        : { status: undefined, message: String(error) },
  };
}

function paramsOf(ask: Ask): MessageCreateParamsNonStreaming {
  const messages: MessageParam[] = [
    {
      role: 'user',
      content: [
        { type: 'text', text: ask.prompt },
        ...(ask.image
          ? [
              {
                type: 'image' as const,
                source: { type: 'base64' as const, media_type: 'image/png' as const, data: PIXEL },
              },
            ]
          : []),
      ],
    },
  ];
  if (ask.results !== undefined) {
    messages.push({
      role: 'assistant',
      content: ask.results.map(({ id, name, arguments: json }) => ({
        type: 'tool_use',
        id,
        name,
        input: JSON.parse(json),
      })),
    });
    messages.push({
      role: 'user',
      content: ask.results.map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: RESULT })),
    });
  }
  return {
    model: ask.group,
    max_tokens: ask.maxTokens ?? 2_048,
    messages,
    ...(ask.system === undefined ? {} : { system: ask.system }),
    ...(ask.tools
      ? { tools: [{ name: WEATHER.name, description: WEATHER.description, input_schema: WEATHER.parameters as never }] }
      : {}),
    ...(ask.toolChoice === undefined
      ? {}
      : {
          tool_choice: {
            type: ask.toolChoice === 'required' ? 'any' : 'auto',
            ...(ask.parallel === undefined ? {} : { disable_parallel_tool_use: !ask.parallel }),
          },
        }),
    ...(ask.schema ? { output_config: { format: { type: 'json_schema', schema: PERSON } } } : {}),
    ...(ask.reasoning ? { thinking: { type: 'enabled', budget_tokens: 1_024 } } : {}),
    ...(ask.stop === undefined ? {} : { stop_sequences: [ask.stop] }),
  } as MessageCreateParamsNonStreaming;
}

const FINISH = {
  end_turn: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_calls',
  stop_sequence: 'stop_sequence',
  refusal: 'content_filter',
} as const;

function outcomeOf(message: Message): Outcome {
  return {
    text: message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    calls: message.content.flatMap((block) =>
      block.type === 'tool_use' ? [{ id: block.id, name: block.name, arguments: block.input }] : [],
    ),
    reasoning: message.content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    finish: FINISH[message.stop_reason as keyof typeof FINISH] ?? 'other',
    inputTokens: message.usage.input_tokens,
    outputTokens: message.usage.output_tokens,
  };
}
