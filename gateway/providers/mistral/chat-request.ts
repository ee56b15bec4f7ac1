import type { ModelFacts } from '#translation/chat/provider.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest } from '#translation/chat/request.ts';
import { type Json, listOf } from '#translation/wires/openai/json.ts';
import { writeImage } from '#translation/wires/openai/media.ts';
import { writeBody } from '#translation/wires/openai/request.ts';
import type { MediaPart, OpenAiServer } from '#translation/wires/openai/server.ts';
import { OPENAI } from '#translation/wires/openai/servers.ts';
import { mistralCallId } from './call-id.ts';

/** Where the wire leaves the thoughts of a turn, until they become a chunk of its content. */
const THOUGHTS = 'reasoning_content';

/** Mistral's chat completions (API reference and the types of its SDK, read 2026-11). */
const MISTRAL: OpenAiServer = Object.freeze({
  ...OPENAI,
  keys: {
    maxTokens: 'max_tokens',
    temperature: 'temperature',
    topP: 'top_p',
    seed: 'random_seed',
    stop: 'stop',
    frequencyPenalty: 'frequency_penalty',
    presencePenalty: 'presence_penalty',
    candidates: 'n',
    toolChoice: 'tool_choice',
    parallelToolCalls: 'parallel_tool_calls',
    output: 'response_format',
    reasoning: 'reasoning_effort',
  },
  // The last chunk of every stream has it; a request for it is refused.
  streamUsage: false,
  requiredToolChoice: 'any',
  allowedTools: false,
  efforts: ['none', 'high'],
  showsReasoning: true,
  reasoningField: THOUGHTS,
  refusalField: false,
  serviceTiers: [],
  maxStops: Number.MAX_SAFE_INTEGER,
  temperatureMax: 1.5,
  writeMedia,
} satisfies OpenAiServer);

/** The body of `POST /chat/completions`. */
export function writeRequest(request: ChatRequest, model: ModelFacts, refusals: Refusals): Buffer {
  for (const message of request.messages) {
    if (message.role !== 'system' && message.name !== null) {
      refusals.setting(`${message.at}.name`, 'has no names for speakers');
    }
  }
  const body = writeBody(request, model, refusals, MISTRAL);
  const messages = listOf(body['messages']) as readonly Json[];
  const last = messages.length - 1;
  return Buffer.from(
    JSON.stringify({ ...body, messages: messages.map((message, at) => writeMessage(message, at === last)) }),
  );
}

/** What Mistral has otherwise in a message: ids of calls, thoughts as a chunk, no names, and a mark on an answer that it shall go on with. */
function writeMessage({ [THOUGHTS]: thoughts, name: _, ...message }: Json, isLast: boolean): Json {
  switch (message['role']) {
    case 'tool':
      return { ...message, tool_call_id: mistralCallId(String(message['tool_call_id'])) };
    case 'assistant': {
      const calls = (listOf(message['tool_calls']) as readonly Json[]).map((call) => {
        return { ...call, id: mistralCallId(String(call['id'])) };
      });
      return {
        ...message,
        ...(thoughts === undefined ? {} : { content: withThoughts(thoughts, message['content']) }),
        ...(calls.length === 0 ? {} : { tool_calls: calls }),
        ...(isLast && calls.length === 0 ? { prefix: true } : {}),
      };
    }
    default:
      return message;
  }
}

function withThoughts(thoughts: unknown, content: unknown): object[] {
  const thinking = { type: 'thinking', thinking: [{ type: 'text', text: thoughts }] };
  return typeof content === 'string' && content !== '' ? [thinking, { type: 'text', text: content }] : [thinking];
}

/** Mistral takes documents by address, as data or by id, and recordings of any format as they are. */
function writeMedia(part: MediaPart, refusals: Refusals): object {
  switch (part.type) {
    case 'image':
      return writeImage(part, refusals);
    case 'document': {
      const { at, source, title, citations } = part;
      if (citations) refusals.setting(`${at}.citations`, 'does not cite documents');
      if (source.kind === 'text')
        return { type: 'text', text: title === null ? source.text : `${title}\n\n${source.text}` };
      if (source.kind === 'file') return { type: 'file', file_id: source.fileId };
      const url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
      return { type: 'document_url', document_url: url, ...(title === null ? {} : { document_name: title }) };
    }
    case 'audio': {
      const { at, source } = part;
      if (source.kind === 'file') return refusals.content(at, 'takes no recordings by file id');
      return { type: 'input_audio', input_audio: source.kind === 'url' ? source.url : source.data };
    }
    case 'video':
      return refusals.content(part.at, 'takes no videos');
    default:
      return part satisfies never;
  }
}
