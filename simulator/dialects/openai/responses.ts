import type { Answer, AnswerContext, Call, InjectedProblem, Problem, StreamEvent } from '../../dialect.ts';
import { badRequest, refuse } from './errors.ts';
import { draftResponse, ENCRYPTED_PREFIX, itemOf, responseOf } from './responses-draft.ts';
import { type Item, type ResponsesRequest, responsesRequest } from './responses-request.ts';
import { responseEvents } from './responses-stream.ts';

/** Fields that OpenAI knows and no answer here depends on. */
const UNUSED: ReadonlySet<string> = new Set([
  'context_management',
  'max_tool_calls',
  'moderation',
  'prompt_cache_options',
  'prompt_cache_retention',
  'service_tier',
  'stream_options',
]);

/** `POST /v1/responses`. Nothing is stored: what refers to an earlier response is answered as if that had never been. */
export function readResponses(body: unknown): Call | Problem {
  const parsed = responsesRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error, body);
  const request = parsed.data;
  const fault = unknownField(body) ?? faultOf(request);
  if (fault !== null) return fault;
  return {
    kind: 'call',
    model: request.model,
    stream: request.stream ?? false,
    answer: (context) => answerResponses(request, context),
    streamError,
  };
}

function answerResponses(request: ResponsesRequest, context: AnswerContext): Answer {
  const draft = draftResponse(request, context);
  const { tokens } = draft;
  if (request.stream) return { kind: 'stream', ...responseEvents(draft), tokens };
  const body = JSON.stringify(responseOf(draft, 'ended', draft.items.map(itemOf)));
  return { kind: 'plain', body, tokens };
}

/** As OpenAI's servers send it; its reference has the same fields beside the type. */
function streamError(problem: InjectedProblem): StreamEvent {
  const { error } = JSON.parse(refuse(problem).body) as { error: object };
  return { event: 'error', data: JSON.stringify({ type: 'error', sequence_number: 0, error }), tokens: 0 };
}

/** OpenAI refuses what it does not know, the texts that end a chat completion (`stop`) among it. */
function unknownField(body: unknown): Problem | null {
  const field = Object.keys(body as object).find(
    (name) => !Object.hasOwn(responsesRequest.shape, name) && !UNUSED.has(name),
  );
  if (field === undefined) return null;
  return { kind: 'bad-request', message: `Unknown parameter: '${field}'.`, field, missing: false };
}

function faultOf(request: ResponsesRequest): Problem | null {
  const bad = (field: string, message: string): Problem => ({ kind: 'bad-request', message, field, missing: false });
  const { previous_response_id: previous, conversation, prompt, background, store } = request;
  if (previous) return bad('previous_response_id', `Previous response with id '${previous}' not found.`);
  if (conversation) return bad('conversation', 'Conversation not found.');
  if (prompt) return bad('prompt', 'Prompt not found.');
  if (background && store === false) return bad('background', 'Background mode requires store to be true.');
  if (typeof request.input === 'string') return null;
  const calls = new Set<unknown>();
  for (const [index, item] of request.input.entries()) {
    if (item.type === 'function_call') calls.add(item['call_id']);
    const fault = faultOfItem(item, `input[${index}]`, calls);
    if (fault !== null) return bad(fault.field, fault.message);
  }
  return null;
}

function faultOfItem(item: Item, at: string, calls: ReadonlySet<unknown>): { field: string; message: string } | null {
  const { type } = item;
  if (type === 'item_reference' || (type === undefined && item.role === undefined)) {
    return { field: 'input', message: `Item with id '${String(item['id'])}' not found.` };
  }
  if (type === 'function_call_output' && !calls.has(item['call_id'])) {
    return {
      field: 'input',
      message: `No tool call found for function call output with call_id ${String(item['call_id'])}.`,
    };
  }
  const encrypted = type === 'reasoning' ? item['encrypted_content'] : null;
  if (typeof encrypted === 'string' && !encrypted.startsWith(ENCRYPTED_PREFIX)) {
    return { field: `${at}.encrypted_content`, message: 'The encrypted content could not be verified.' };
  }
  return null;
}
