import type { Problem } from '../../dialect.ts';
import type { ChatRequest } from './chat-request.ts';

type Message = ChatRequest['messages'][number];

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'];
const PARTS: Readonly<Record<string, readonly string[]>> = {
  system: ['text'],
  developer: ['text'],
  user: ['text', 'image_url', 'input_audio', 'file'],
  assistant: ['text', 'refusal'],
  tool: ['text'],
};

/** What OpenAI refuses although each field is well-formed by itself; null if nothing. */
export function checkChat(request: ChatRequest): Problem | null {
  return checkMessages(request.messages) ?? checkTools(request) ?? checkLogprobs(request);
}

function checkMessages(messages: readonly Message[]): Problem | null {
  /** Ids of calls that want a result before anything else is said. */
  let open = new Set<string>();
  for (const [index, message] of messages.entries()) {
    const at = `messages[${index}]`;
    if (!ROLES.includes(message.role)) return oneOf(`${at}.role`, message.role, ROLES);
    const problem = checkParts(message, at);
    if (problem !== null) return problem;
    if (message.role === 'tool') {
      if (message.tool_call_id === undefined) return missing(`${at}.tool_call_id`);
      if (!open.delete(message.tool_call_id)) {
        return invalid(
          `${at}.role`,
          "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        );
      }
    } else {
      if (open.size > 0) return unanswered(at, open);
      open = new Set(message.role === 'assistant' ? message.tool_calls?.map(({ id }) => id) : []);
    }
  }
  return open.size > 0 ? unanswered(`messages[${messages.length}]`, open) : null;
}

function unanswered(at: string, ids: ReadonlySet<string>): Problem {
  return invalid(
    `${at}.role`,
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. " +
      `The following tool_call_ids did not have response messages: ${[...ids].join(', ')}`,
  );
}

function checkParts({ role, content }: Message, at: string): Problem | null {
  if (!Array.isArray(content)) return null;
  const types = PARTS[role] ?? [];
  for (const [index, part] of content.entries()) {
    const where = `${at}.content[${index}]`;
    const { type, image_url: image } = Object(part) as { type?: unknown; image_url?: unknown };
    if (type === undefined) return missing(`${where}.type`);
    if (!types.includes(String(type))) return oneOf(`${where}.type`, String(type), types);
    if (type === 'image_url' && typeof Object(image).url !== 'string') return missing(`${where}.image_url.url`);
  }
  return null;
}

function checkTools({ tools, tool_choice: choice, parallel_tool_calls: parallel }: ChatRequest): Problem | null {
  if (tools !== undefined && tools.length > 0) return null;
  if (choice !== undefined && choice !== 'none') {
    return invalid('tool_choice', "'tool_choice' is only allowed when 'tools' are specified.");
  }
  if (parallel === undefined) return null;
  return invalid('parallel_tool_calls', "'parallel_tool_calls' is only allowed when 'tools' are specified.");
}

function checkLogprobs({ logprobs, top_logprobs: top }: ChatRequest): Problem | null {
  if (top === undefined || top === null || logprobs === true) return null;
  return invalid('top_logprobs', "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.");
}

function invalid(field: string, message: string): Problem {
  return { kind: 'bad-request', message: `Invalid parameter: ${message}`, field, missing: false };
}

function missing(field: string): Problem {
  return { kind: 'bad-request', message: `Missing required parameter: '${field}'.`, field, missing: true };
}

function oneOf(field: string, value: string, supported: readonly string[]): Problem {
  const list = supported.map((name) => `'${name}'`).join(', ');
  const message = `Invalid value: '${value}'. Supported values are: ${list}.`;
  return { kind: 'bad-request', message, field, missing: false };
}
