import type {
  At,
  ModelPart,
  ReasoningPart,
  Signature,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  UserPart,
} from '../../chat/parts.ts';
import type { JsonObject, Message } from '../../chat/request.ts';
import { readContent, readModelPart, readResultPart, readSystemPart, readUserPart, textPart } from './content.ts';
import {
  bad,
  type Extras,
  isObject,
  optional,
  readList,
  readName,
  readObject,
  readString,
  unsupported,
} from './fields.ts';
import { readCarried } from './signatures.ts';

export interface Conversation {
  readonly system: readonly TextPart[];
  readonly messages: readonly Message[];
}

/** One item of the input in our words, and what is joined to it. */
type Turn =
  | { readonly role: 'system'; readonly at: At; readonly parts: readonly TextPart[] }
  | { readonly role: 'user'; readonly at: At; readonly parts: readonly UserPart[] }
  | { readonly role: 'tool'; readonly at: At; readonly parts: ToolResultPart[] }
  | { readonly role: 'assistant'; readonly at: At; readonly parts: ModelPart[] };

const STORED = 'nothing is stored here that it could refer to; send the whole item (with "store": false, SDKs do)';

/** Reads `input`: one text, or items. Items of one turn of the model become one message, as do results of tools that follow each other. */
export function readInput(input: unknown, extras: Extras): Conversation {
  if (typeof input === 'string') {
    return { system: [], messages: [{ role: 'user', at: 'input', name: null, parts: [textPart(input, 'input')] }] };
  }
  if (!Array.isArray(input)) throw bad('input', '"input" must be a string or a list of items.');
  if (input.length === 0) throw bad('input', '"input" must not be empty.');
  return readItems(readList(input, 'input'), extras);
}

function readItems(items: readonly unknown[], extras: Extras): Conversation {
  const system: TextPart[] = [];
  const turns: Turn[] = [];
  const found: Found = { extras, names: new Map(), signatures: new Map() };
  items.forEach((value, index) => {
    const at = `input[${index}]`;
    const turn = readItem(readObject(value, at), at, found);
    if (turn === null) return;
    if (turn.role === 'system' && turns.length === 0) for (const part of turn.parts) system.push(part);
    else if (!join(turns.at(-1), turn)) turns.push(turn);
  });
  return { system, messages: turns.map((turn) => messageOf(turn, found.signatures)) };
}

interface Found {
  readonly extras: Extras;
  /** Tools' names by the ids of their calls. */
  readonly names: Map<string, string>;
  /** Signatures of calls by the ids of the calls. */
  readonly signatures: Map<string, Signature>;
}

function readItem(item: JsonObject, at: At, found: Found): Turn | null {
  const type =
    optional(item['type'], `${at}.type`, readString) ?? (item['role'] === undefined ? 'item_reference' : 'message');
  switch (type) {
    case 'message':
      return readMessage(item, at, found.extras);
    case 'function_call': {
      const call = readCall(item, at);
      if (call.id !== null) found.names.set(call.id, call.name);
      return { role: 'assistant', at, parts: [call] };
    }
    case 'function_call_output':
      return { role: 'tool', at, parts: [readResult(item, at, found)] };
    case 'reasoning':
      return readReasoning(item, at, found.signatures);
    case 'item_reference':
      throw unsupported(at, STORED);
    default:
      throw unsupported(`${at}.type`, `an item of the type "${type}" has no meaning outside of OpenAI`);
  }
}

function readMessage(item: JsonObject, at: At, extras: Extras): Turn {
  const role = readString(item['role'], `${at}.role`);
  const contentAt = `${at}.content`;
  switch (role) {
    case 'user':
      return { role, at, parts: readContent(item['content'], contentAt, extras, readUserPart) };
    case 'system':
    case 'developer':
      return { role: 'system', at, parts: readContent(item['content'], contentAt, extras, readSystemPart) };
    case 'assistant':
      return { role, at, parts: [...readContent(item['content'], contentAt, extras, readModelPart)] };
    default:
      throw bad(`${at}.role`, `"${at}.role" must be one of "user", "assistant", "system", "developer".`);
  }
}

function readCall(item: JsonObject, at: At): ToolCallPart {
  if (typeof item['namespace'] === 'string')
    throw unsupported(`${at}.namespace`, 'only OpenAI knows namespaces of tools');
  return {
    type: 'tool_call',
    at,
    cache: null,
    id: readName(item['call_id'], `${at}.call_id`),
    name: readName(item['name'], `${at}.name`),
    arguments: readString(item['arguments'], `${at}.arguments`),
    signature: null,
  };
}

function readResult(item: JsonObject, at: At, { extras, names }: Found): ToolResultPart {
  const callId = readName(item['call_id'], `${at}.call_id`);
  const parts = readContent(item['output'], `${at}.output`, extras, readResultPart);
  return { type: 'tool_result', at, cache: null, callId, name: names.get(callId) ?? null, parts, isError: false };
}

/** Null where the item says nothing that could be sent on, or only carries a call's signature. */
function readReasoning(item: JsonObject, at: At, signatures: Found['signatures']): Turn | null {
  const thoughts = textsOf(item['content'], `${at}.content`);
  const text = thoughts === '' ? textsOf(item['summary'], `${at}.summary`) : thoughts;
  const content = optional(item['encrypted_content'], `${at}.encrypted_content`, readString);
  const carried = content === null ? null : readCarried(content, text !== '');
  if (carried === null && text === '') return null;
  if (carried?.kind === 'call') {
    signatures.set(carried.callId, carried.signature);
    return null;
  }
  const part: ReasoningPart = {
    type: 'reasoning',
    at,
    cache: null,
    text,
    signature: carried?.kind === 'signature' ? carried.signature : null,
    redacted: carried?.kind === 'redacted' ? carried.signature : null,
  };
  return { role: 'assistant', at, parts: [part] };
}

/** The texts of `summary` or `content`; OpenAI writes its summary in sections. */
function textsOf(parts: unknown, at: At): string {
  const list = optional(parts, at, readList) ?? [];
  return list
    .map((part, index) => readString(isObject(part) ? part['text'] : null, `${at}[${index}].text`))
    .join('\n\n');
}

/** Whether `turn` went into the one before it. */
function join(last: Turn | undefined, turn: Turn): boolean {
  if (last?.role === 'assistant' && turn.role === 'assistant') for (const part of turn.parts) last.parts.push(part);
  else if (last?.role === 'tool' && turn.role === 'tool') for (const part of turn.parts) last.parts.push(part);
  else return false;
  return true;
}

function messageOf(turn: Turn, signatures: Found['signatures']): Message {
  const { at } = turn;
  switch (turn.role) {
    case 'system':
      return { role: 'system', at, parts: turn.parts };
    case 'user':
    case 'tool':
      return { role: 'user', at, name: null, parts: turn.parts };
    case 'assistant':
      return { role: 'assistant', at, name: null, parts: turn.parts.map((part) => signed(part, signatures)) };
    default:
      return turn satisfies never;
  }
}

function signed(part: ModelPart, signatures: Found['signatures']): ModelPart {
  const signature = part.type === 'tool_call' && part.id !== null ? signatures.get(part.id) : undefined;
  return part.type === 'tool_call' && signature !== undefined ? { ...part, signature } : part;
}
