import type { ModelPart, TextPart, ToolResultPart, UserPart } from '../../chat/parts.ts';
import type { Extra, JsonObject, Message } from '../../chat/request.ts';
import { legacyCallId, readAssistant } from './chat-assistant.ts';
import { readContent, readTexts } from './chat-content.ts';
import { fault, noteExtras, optional, readList, readName, readObject, readText, readWord } from './chat-fields.ts';

const ROLES = ['developer', 'system', 'user', 'assistant', 'tool', 'function'] as const;

export interface Conversation {
  /** What stands before the first message of another role. */
  readonly system: readonly TextPart[];
  readonly messages: readonly Message[];
}

/** Reads `messages`. Results of tools that follow one another are one turn. Fields that are not known are added to `extras`. */
export function readMessages(value: unknown, extras: Extra[]): Conversation {
  const list = readList(value, 'messages');
  if (list.length === 0) throw fault('messages', 'must not be empty');
  const system: TextPart[] = [];
  const messages: Message[] = [];
  const calls = new Calls();
  /** The results of a turn that is not ended. */
  let results: ToolResultPart[] | null = null;
  list.forEach((item, index) => {
    const at = `messages[${index}]`;
    const message = readObject(item, at);
    const role = readWord(message['role'], `${at}.role`, ROLES);
    if (role === 'tool' || role === 'function') {
      if (results === null) {
        results = [];
        messages.push({ role: 'user', at, name: null, parts: results });
      }
      results.push(
        role === 'tool' ? readToolResult(message, at, calls, extras) : readFunctionResult(message, at, calls),
      );
      return;
    }
    results = null;
    if (role === 'user') messages.push(readUser(message, at, extras));
    else if (role === 'assistant') {
      const parts = readAssistant(message, at, extras);
      calls.take(parts);
      messages.push({ role, at, name: readSpeaker(message, at), parts });
    } else {
      const parts = readTexts(message['content'], `${at}.content`, extras);
      // A name of who instructs has no place; it is refused or left out like other fields.
      noteExtras(message, at, new Set(['role', 'content']), extras);
      if (messages.length === 0) for (const part of parts) system.push(part);
      else messages.push({ role: 'system', at, parts });
    }
  });
  return { system, messages };
}

function readUser(message: JsonObject, at: string, extras: Extra[]): Message {
  noteExtras(message, at, new Set(['role', 'content', 'name']), extras);
  const parts = readContent(message['content'], `${at}.content`, extras).map((part): UserPart => {
    if (part.type !== 'refusal') return part;
    throw fault(part.at, 'must not be a refusal in a message of this role');
  });
  return { role: 'user', at, name: readSpeaker(message, at), parts };
}

function readSpeaker(message: JsonObject, at: string): string | null {
  return optional(message['name'], `${at}.name`, readText);
}

function readToolResult(message: JsonObject, at: string, calls: Calls, extras: Extra[]): ToolResultPart {
  // Some clients name the tool again; its call says it, too.
  noteExtras(message, at, new Set(['role', 'content', 'tool_call_id', 'name']), extras);
  const callId = readName(message['tool_call_id'], `${at}.tool_call_id`);
  const parts = readContent(message['content'] ?? '', `${at}.content`, extras).map((part) => {
    if (part.type === 'text' || part.type === 'image' || part.type === 'document') return part;
    throw fault(part.at, 'must be text, an image or a file in a message of this role');
  });
  return { type: 'tool_result', at, cache: null, callId, name: calls.nameOf(callId), parts, isError: false };
}

function readFunctionResult(message: JsonObject, at: string, calls: Calls): ToolResultPart {
  const name = readName(message['name'], `${at}.name`);
  const text = readText(message['content'] ?? '', `${at}.content`);
  const parts: TextPart[] = [{ type: 'text', at: `${at}.content`, cache: null, text, citations: [] }];
  return {
    type: 'tool_result',
    at,
    cache: null,
    callId: calls.lastOf(name) ?? legacyCallId(at),
    name,
    parts,
    isError: false,
  };
}

/** The calls that were made so far, for the results that only give an id or only a name. */
class Calls {
  readonly #names = new Map<string, string>();
  readonly #lastIds = new Map<string, string>();

  take(parts: readonly ModelPart[]): void {
    for (const part of parts) {
      if (part.type !== 'tool_call' || part.id === null) continue;
      this.#names.set(part.id, part.name);
      this.#lastIds.set(part.name, part.id);
    }
  }

  nameOf(id: string): string | null {
    return this.#names.get(id) ?? null;
  }

  lastOf(name: string): string | null {
    return this.#lastIds.get(name) ?? null;
  }
}
