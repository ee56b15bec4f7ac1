import type { ModelPart, ToolResultPart, UserPart } from '#translation/chat/parts.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, Message, Tool, ToolChoice } from '#translation/chat/request.ts';

/** What a provider takes in its messages. */
export interface Takes {
  readonly images: boolean;
  readonly tools: boolean;
}

type Json = Record<string, unknown>;

/** A chat as OpenAI's `messages` (OpenAI API reference, Chat Completions), the instructions first unless they go elsewhere. */
export function writeMessages(request: ChatRequest, withSystem: boolean, takes: Takes, refusals: Refusals): Json[] {
  const system = withSystem ? request.system.map(({ text }) => ({ role: 'system', content: text })) : [];
  return [...system, ...request.messages.flatMap((message) => writeMessage(message, takes, refusals))];
}

function writeMessage(message: Message, takes: Takes, refusals: Refusals): Json[] {
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: message.parts.map(({ text }) => text).join('\n') }];
    case 'user':
      return writeUser(message, takes, refusals);
    case 'assistant':
      return [writeAssistant(message, takes, refusals)];
    default:
      return message satisfies never;
  }
}

function writeUser({ parts, name }: Extract<Message, { role: 'user' }>, takes: Takes, refusals: Refusals): Json[] {
  const results = parts.filter((part): part is ToolResultPart => part.type === 'tool_result');
  const rest = parts.filter((part) => part.type !== 'tool_result');
  const written: Json[] = results.map((result) => {
    if (!takes.tools) refusals.content(result.at, 'has no tools');
    return { role: 'tool', tool_call_id: result.callId, content: resultText(result, refusals) };
  });
  if (rest.length === 0 && results.length > 0) return written;
  const content = writeContent(rest, takes, refusals);
  return [...written, { role: 'user', ...(name === null ? {} : { name }), content }];
}

function resultText({ parts }: ToolResultPart, refusals: Refusals): string {
  const texts = parts.map((part) =>
    part.type === 'text' ? part.text : refusals.content(part.at, 'takes results of tools as text'),
  );
  return texts.join('\n');
}

/** A text where there is nothing else, else a list of parts. */
function writeContent(parts: readonly UserPart[], takes: Takes, refusals: Refusals): string | Json[] {
  const written = parts.map((part): Json => {
    if (part.type === 'text') return { type: 'text', text: part.text };
    if (part.type !== 'image' || !takes.images || part.source.kind === 'file') {
      return refusals.content(part.at, `takes no ${part.type} in its messages`);
    }
    const { source, detail } = part;
    const url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
    return { type: 'image_url', image_url: { url, ...(detail === null ? {} : { detail }) } };
  });
  return written.every(({ type }) => type === 'text') ? written.map(({ text }) => text).join('\n') : written;
}

function writeAssistant(
  { parts, name }: Extract<Message, { role: 'assistant' }>,
  takes: Takes,
  refusals: Refusals,
): Json {
  const texts: string[] = [];
  const calls: Json[] = [];
  for (const part of parts) writePart(part);
  const content = texts.length === 0 && calls.length > 0 ? null : texts.join('');
  return {
    role: 'assistant',
    ...(name === null ? {} : { name }),
    content,
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };

  function writePart(part: ModelPart): void {
    switch (part.type) {
      case 'text':
      case 'refusal':
        texts.push(part.text);
        return;
      case 'reasoning':
        return refusals.leftOut(part.at);
      case 'tool_call': {
        if (!takes.tools) refusals.content(part.at, 'has no tools');
        if (part.id === null) refusals.content(part.at, 'needs the id of each tool call');
        if (part.signature !== null) refusals.leftOut(part.at);
        calls.push({ id: part.id, type: 'function', function: { name: part.name, arguments: part.arguments } });
        return;
      }
      case 'image':
      case 'audio':
        return refusals.content(part.at, `takes no ${part.type} of the assistant's`);
      default:
        part satisfies never;
    }
  }
}

/** OpenAI's `tools`. */
export function writeTools(tools: readonly Tool[]): Json[] {
  return tools.map(({ name, description, parameters, strict }) => ({
    type: 'function',
    function: {
      name,
      ...(description === null ? {} : { description }),
      ...(parameters === null ? {} : { parameters }),
      ...(strict === null ? {} : { strict }),
    },
  }));
}

/** OpenAI's `tool_choice`. */
export function writeToolChoice(choice: ToolChoice): unknown {
  switch (choice.kind) {
    case 'auto':
    case 'none':
    case 'required':
      return choice.kind;
    case 'tool':
      return { type: 'function', function: { name: choice.name } };
    case 'allowed':
      return {
        type: 'allowed_tools',
        allowed_tools: {
          mode: choice.required ? 'required' : 'auto',
          tools: choice.names.map((name) => ({ type: 'function', function: { name } })),
        },
      };
    default:
      return choice satisfies never;
  }
}
