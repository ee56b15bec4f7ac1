import { RingsideError } from '#core/errors.ts';
import type { RequestTarget } from '../../chat/dialect.ts';
import type { CacheMark } from '../../chat/parts.ts';
import type { ChatRequest, Message } from '../../chat/request.ts';
import { parseExact } from '../../wires/exact-json.ts';
import { readModelParts, readTexts, readUserParts } from './blocks.ts';
import { bad, Fields } from './fields.ts';
import { type Reading, readCacheMark } from './reading.ts';
import { readSettings } from './settings.ts';
import { readTools } from './tools.ts';

/**
 * Reads the body of `POST /v1/messages`. Throws `bad_request` for what Anthropic itself would refuse by its shape, and
 * `unsupported_parameter` for content that only Anthropic's own servers understand.
 */
export function readRequest(bytes: Buffer, target: RequestTarget): ChatRequest {
  const body = new Fields(parse(bytes), '');
  const reading: Reading = { extras: [], toolNames: new Map() };
  const model = target.model ?? body.neededText('model');
  const stream = target.stream ?? body.flag('stream') ?? false;
  const { settings, spelling } = readSettings(body, reading);
  const system = body.take('system') === null ? [] : readTexts(body, 'system', reading);
  const tools = readTools(body, reading);
  const messages = readMessages(body, reading);
  const mark = readCacheMark(body, reading);
  body.leave(reading.extras);
  return {
    model,
    stream,
    streamUsage: true,
    system,
    messages: mark === null ? messages : markLast(messages, mark),
    tools,
    settings,
    spelling,
    extras: reading.extras,
  };
}

function parse(bytes: Buffer): unknown {
  try {
    return parseExact(bytes.toString('utf8'));
  } catch (cause) {
    throw new RingsideError('bad_request', 'The body is not valid JSON.', { cause });
  }
}

function readMessages(body: Fields, reading: Reading): Message[] {
  const list = body.list('messages');
  if (list === null) throw bad('messages', 'is missing');
  if (list.length === 0) throw bad('messages', 'must hold at least one message');
  return list.map((value, index) => {
    const fields = new Fields(value, `messages[${index}]`);
    const message = readMessage(fields, reading);
    fields.leave(reading.extras);
    return message;
  });
}

function readMessage(fields: Fields, reading: Reading): Message {
  const { at } = fields;
  const role = fields.neededText('role');
  switch (role) {
    case 'user':
      return { role, at, name: null, parts: readUserParts(fields, reading) };
    case 'assistant':
      return { role, at, name: null, parts: readModelParts(fields, reading) };
    case 'system':
      return { role, at, parts: readTexts(fields, 'content', reading) };
    default:
      throw bad(fields.path('role'), 'must be "user", "assistant" or "system"');
  }
}

/** The `cache_control` of the request itself stands for one on the last block. */
function markLast(messages: readonly Message[], cache: CacheMark): Message[] {
  const marked = [...messages];
  const last = marked.pop()!;
  const mark = <Part extends { readonly cache: CacheMark | null }>(parts: readonly Part[]): Part[] =>
    parts.map((part, index) => (index === parts.length - 1 ? { ...part, cache: part.cache ?? cache } : part));
  switch (last.role) {
    case 'system':
      return [...marked, { ...last, parts: mark(last.parts) }];
    case 'user':
      return [...marked, { ...last, parts: mark(last.parts) }];
    case 'assistant':
      return [...marked, { ...last, parts: mark(last.parts) }];
    default:
      return last satisfies never;
  }
}
