import { RingsideError } from '#core/errors.ts';
import type { RequestTarget } from '../../chat/dialect.ts';
import type { ChatRequest, Extra, JsonObject } from '../../chat/request.ts';
import { isObject } from '../../wires/openai/json.ts';
import { extrasOf, fault, optional, readBoolean, readName, readObject, untranslatable } from './chat-fields.ts';
import { readMessages } from './chat-messages.ts';
import { readSettings, SETTING_KEYS } from './chat-settings.ts';
import { readTools } from './chat-tools.ts';

/** `metadata` is the gateway's own: it goes into the log. The rest is read here. */
const KNOWN: ReadonlySet<string> = new Set([
  ...SETTING_KEYS,
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'metadata',
  'functions',
  'function_call',
]);

/** Fields whose plain value asks for nothing: the answer is text, and nobody but us keeps it. */
const IS_DEFAULT: ReadonlyMap<string, (value: unknown) => boolean> = new Map([
  ['modalities', (value: unknown) => Array.isArray(value) && value.every((modality) => modality === 'text')],
  ['store', (value: unknown) => value === false],
]);

/** Reads a chat completions request (OpenAI's API reference, read 2026-11). */
export function readRequest(bytes: Buffer, target: RequestTarget): ChatRequest {
  const body = parse(bytes);
  refuseFunctions(body);
  const extras: Extra[] = extrasOf(body, '', KNOWN).filter(({ name, value }) => !IS_DEFAULT.get(name)?.(value));
  const { settings, spelling } = readSettings(body, extras);
  const { system, messages } = readMessages(body['messages'], extras);
  const tools = body['tools'] === undefined || body['tools'] === null ? [] : readTools(body['tools'], extras);
  const options = optional(body['stream_options'], 'stream_options', readObject) ?? {};
  return {
    model: target.model ?? readName(body['model'], 'model'),
    stream: target.stream ?? optional(body['stream'], 'stream', readBoolean) ?? false,
    streamUsage: optional(options['include_usage'], 'stream_options.include_usage', readBoolean) ?? false,
    system,
    messages,
    tools,
    settings,
    spelling,
    // Padding against traffic analysis (`include_obfuscation`) is between a caller and who encrypts for it: us.
    extras: [...extras, ...extrasOf(options, 'stream_options', new Set(['include_usage', 'include_obfuscation']))],
  };
}

function parse(bytes: Buffer): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new RingsideError('bad_request', 'The body is not valid JSON.', { cause });
  }
  if (isObject(value)) return value;
  throw new RingsideError('bad_request', 'The body must be a JSON object.');
}

/** Callers of the deprecated fields expect answers of the deprecated shape, which nothing in a neutral answer asks for. */
function refuseFunctions(body: JsonObject): void {
  for (const key of ['functions', 'function_call']) {
    if (body[key] === undefined || body[key] === null) continue;
    if (key === 'functions' && !Array.isArray(body[key])) throw fault(key, 'must be an array');
    throw untranslatable(key, 'it is deprecated; use "tools" and "tool_choice"');
  }
}
