import { RingsideError } from '#core/errors.ts';
import type { RequestTarget } from '../../chat/dialect.ts';
import type { ChatRequest, JsonObject } from '../../chat/request.ts';
import { textPart } from './content.ts';
import {
  bad,
  Extras,
  isObject,
  oneOf,
  optional,
  readFlag,
  readName,
  readObject,
  readString,
  unsupported,
} from './fields.ts';
import { readInput } from './input.ts';
import { readSettings } from './settings.ts';
import { readTools } from './tools.ts';

/** What the answer repeats of the request, in the caller's words. */
const ECHOED = [
  'instructions',
  'max_output_tokens',
  'metadata',
  'parallel_tool_calls',
  'prompt_cache_key',
  'reasoning',
  'safety_identifier',
  'temperature',
  'text',
  'tool_choice',
  'top_logprobs',
  'top_p',
  'user',
] as const;

/** A request of this dialect also knows what its answer is to repeat. */
export interface ResponsesRequest extends ChatRequest {
  readonly echo: Readonly<Partial<Record<(typeof ECHOED)[number], unknown>>>;
}

const KNOWN: ReadonlySet<string> = new Set([
  ...ECHOED,
  'model',
  'input',
  'stream',
  'stream_options',
  'tools',
  'include',
  'service_tier',
  'store',
  'background',
  'truncation',
]);

/** Fields that refer to what OpenAI stores, and why they are refused where another provider answers. */
const STATEFUL = {
  previous_response_id: 'the provider of this model group keeps no responses; send the whole conversation in "input"',
  conversation: 'the provider of this model group keeps no conversations; send the whole conversation in "input"',
  prompt: 'the provider of this model group keeps no prompt templates; send "instructions" and "input"',
} as const;

/**
 * Reads a body of `POST /v1/responses`. `store` is taken whatever it says: the answer says `"store": false`, and cannot be fetched later.
 * Throws `bad_request`, or `unsupported_parameter` for what would need a store or a worker behind the provider.
 */
export function readRequest(bytes: Buffer, target: RequestTarget): ResponsesRequest {
  const body = readBody(bytes);
  refuseStateful(body);
  const extras = new Extras();
  extras.rest(body, KNOWN, '');
  if (optional(body['truncation'], 'truncation', oneOf(['auto', 'disabled'])) === 'auto') {
    extras.add('truncation', 'truncation', 'auto');
  }
  optional(body['store'], 'store', readFlag);
  optional(body['metadata'], 'metadata', readObject);
  readStreamOptions(body['stream_options'], extras);
  const instructions = optional(body['instructions'], 'instructions', readString);
  if (body['input'] === undefined || body['input'] === null) throw bad('input', '"input" is missing.');
  const { system, messages } = readInput(body['input'], extras);
  const tools = readTools(body['tools'], extras);
  const { settings, spelling } = readSettings(body, extras);
  return {
    model: target.model ?? readName(body['model'], 'model'),
    stream: target.stream ?? optional(body['stream'], 'stream', readFlag) ?? false,
    streamUsage: true,
    system: instructions === null || instructions === '' ? system : [textPart(instructions, 'instructions'), ...system],
    messages,
    tools,
    settings,
    spelling,
    extras: extras.found,
    echo: Object.fromEntries(ECHOED.flatMap((name) => (body[name] == null ? [] : [[name, body[name]]]))),
  };
}

function readBody(bytes: Buffer): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new RingsideError('bad_request', 'The request body is not valid JSON.', { cause });
  }
  if (isObject(value)) return value;
  throw new RingsideError('bad_request', 'The request body must be one JSON object.');
}

function refuseStateful(body: JsonObject): void {
  for (const [name, why] of Object.entries(STATEFUL)) {
    if (body[name] !== undefined && body[name] !== null) throw unsupported(name, why);
  }
  if (optional(body['background'], 'background', readFlag) === true) {
    throw unsupported('background', 'the provider of this model group answers at once or not at all');
  }
}

/** Padding against eavesdroppers is OpenAI's; that none is wanted is what every other provider does. */
function readStreamOptions(value: unknown, extras: Extras): void {
  const options = optional(value, 'stream_options', readObject) ?? {};
  extras.rest(options, new Set(['include_obfuscation']), 'stream_options');
  if (options['include_obfuscation'] === true) {
    extras.add('stream_options.include_obfuscation', 'include_obfuscation', true);
  }
}
