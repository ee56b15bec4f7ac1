import { isShallow } from './depth.ts';

/** A chat message as OpenAI's API has it. */
export interface ChatMessage {
  readonly role: string;
  readonly content: unknown;
  readonly [field: string]: unknown;
}

interface ToolCall {
  id: string;
  type: string;
  function: { name: string; arguments: string };
}

/** The texts of a message that stream in pieces, beside the tool calls. */
const TEXT_FIELDS = ['content', 'refusal'] as const;

/**
 * The first choice's message of a captured chat answer: of a whole JSON body, or put together from the events of a stream.
 * Undefined when there is none, or when the stream did not end by itself.
 */
export function chatAnswerOf(body: string, contentType: string | null): ChatMessage | undefined {
  const isStream = /^text\/event-stream\b/i.test(contentType ?? '') || /^(data|event|:)/.test(body);
  // What redaction put together is one JSON text, whatever it was.
  if (isStream && !/^\s*\{/.test(body)) return streamedMessage(body);
  const answer = parseRecord(body);
  const message = record(firstChoice(answer)?.['message']);
  return message === undefined ? undefined : asMessage(message);
}

/** The messages of a captured chat request; undefined when it is none. */
export function chatRequestOf(body: string): { messages: ChatMessage[]; tools: unknown } | undefined {
  const request = parseRecord(body);
  const messages = request?.['messages'];
  if (!Array.isArray(messages) || messages.length === 0) return undefined;
  const known = messages.map((message) => asMessage(record(message) ?? {}));
  if (!known.every((message) => message !== undefined)) return undefined;
  return { messages: known, tools: request?.['tools'] };
}

function streamedMessage(body: string): ChatMessage | undefined {
  const texts: Record<(typeof TEXT_FIELDS)[number], string | null> = { content: null, refusal: null };
  const calls: ToolCall[] = [];
  let role = 'assistant';
  let finished = false;
  for (const data of eventData(body)) {
    if (data.trimStart().startsWith('[DONE]')) break;
    const choice = firstChoice(parseRecord(data));
    if (choice === undefined) continue;
    if (typeof choice['finish_reason'] === 'string') finished = true;
    const delta = record(choice['delta']) ?? {};
    if (typeof delta['role'] === 'string' && delta['role'] !== '') role = delta['role'];
    for (const field of TEXT_FIELDS) {
      const piece = delta[field];
      if (typeof piece === 'string') texts[field] = (texts[field] ?? '') + piece;
    }
    addToolCalls(calls, delta['tool_calls']);
  }
  if (!finished) return undefined;
  const kept = calls.filter((call) => call !== undefined);
  return {
    role,
    content: texts.content,
    ...(texts.refusal === null ? {} : { refusal: texts.refusal }),
    ...(kept.length === 0 ? {} : { tool_calls: kept }),
  };
}

/** The data of each event, its lines joined (the server-sent events part of the HTML standard, 9.2.6). */
function* eventData(body: string): Generator<string> {
  let lines: string[] = [];
  for (const line of body.split(/\r\n|\n|\r/)) {
    if (line.startsWith('data:')) lines.push(line.slice(line[5] === ' ' ? 6 : 5));
    else if (line === '' && lines.length > 0) {
      yield lines.join('\n');
      lines = [];
    }
  }
  if (lines.length > 0) yield lines.join('\n');
}

/** More calls than any answer has: an index comes from outside. */
const MAX_TOOL_CALLS = 1_000;

function addToolCalls(calls: ToolCall[], pieces: unknown): void {
  if (!Array.isArray(pieces)) return;
  for (const [position, piece] of pieces.entries()) {
    const part = record(piece);
    const index = typeof part?.['index'] === 'number' ? part['index'] : position;
    if (part === undefined || !Number.isInteger(index) || index < 0 || index >= MAX_TOOL_CALLS) continue;
    calls[index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } };
    const call = calls[index];
    const called = record(part['function']) ?? {};
    if (typeof part['id'] === 'string') call.id = part['id'];
    if (typeof part['type'] === 'string') call.type = part['type'];
    if (typeof called['name'] === 'string') call.function.name += called['name'];
    if (typeof called['arguments'] === 'string') call.function.arguments += called['arguments'];
  }
}

/** Keys of an answer's message that a request's may not have, or only as null. */
const ANSWER_ONLY = new Set(['annotations', 'audio', 'reasoning', 'reasoning_content']);

function asMessage(message: Record<string, unknown>): ChatMessage | undefined {
  if (typeof message['role'] !== 'string') return undefined;
  const kept = Object.entries(message).filter(
    ([key, value]) => !ANSWER_ONLY.has(key) && (value !== null || key === 'content'),
  );
  return { content: null, ...Object.fromEntries(kept) } as ChatMessage;
}

function firstChoice(answer: Record<string, unknown> | undefined): Record<string, unknown> | undefined {
  const choices = answer?.['choices'];
  if (!Array.isArray(choices)) return undefined;
  const choice = choices.map(record).find((each) => each !== undefined && (each['index'] ?? 0) === 0);
  return choice;
}

function parseRecord(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isShallow(value) ? record(value) : undefined;
  } catch {
    return undefined;
  }
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
