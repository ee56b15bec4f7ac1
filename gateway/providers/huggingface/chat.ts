import type { ChatEvent } from '#translation/chat/events.ts';
import type { ChatTranslation, ModelFacts, StreamReader } from '#translation/chat/provider.ts';
import type { Refusals } from '#translation/chat/refusals.ts';
import type { ChatRequest, OutputFormat } from '#translation/chat/request.ts';
import { isObject, type Json, objectOf } from '#translation/wires/openai/json.ts';
import { readReply } from '#translation/wires/openai/reply.ts';
import { writeBody } from '#translation/wires/openai/request.ts';
import { openReader as openWireReader } from '#translation/wires/openai/stream.ts';
import { ROUTER, TGI, TGI_MODEL } from './servers.ts';

/** Chats at Hugging Face: through the router to its Inference Providers, or with a server of Text Generation Inference. */
export const huggingfaceChat: ChatTranslation = {
  heads: { plain: 'chat', stream: 'chat' },
  streamTypes: ['text/event-stream'],
  writeRequest,
  readReply,
  openReader,
};

function writeRequest(request: ChatRequest, model: ModelFacts, refusals: Refusals): Buffer {
  if (model.upstreamModel !== TGI_MODEL) {
    return Buffer.from(JSON.stringify(writeBody(request, model, refusals, ROUTER)));
  }
  const body = writeBody(request, model, refusals, TGI);
  // 1 samples from all tokens, as saying nothing does; TGI refuses it.
  if (body['top_p'] === 1) delete body['top_p'];
  const { output } = request.settings;
  if (output !== null) body['response_format'] = writeGrammar(output);
  return Buffer.from(JSON.stringify(body));
}

/** TGI's grammar: always with a schema. */
function writeGrammar(output: OutputFormat): object {
  return { type: 'json', value: output.kind === 'json' ? { type: 'object' } : output.schema };
}

/** What each of TGI's `error_type`s would have had as its status, had the stream not begun. */
const STATUS_OF_TYPE: Readonly<Record<string, number>> = {
  validation: 422,
  template_error: 422,
  tool_error: 422,
  generation: 424,
  overloaded: 429,
  incomplete_generation: 500,
};

/** The wire's reader, and the status of `{error, error_type}`. */
function openReader(): StreamReader {
  const reader = openWireReader();
  const named = (emit: (event: ChatEvent) => void) => (event: ChatEvent) => {
    emit(event.type === 'error' && event.status === null ? { ...event, status: statusOf(event.body) } : event);
  };
  return {
    push: (chunk, emit) => reader.push(chunk, named(emit)),
    close: (emit) => reader.close(named(emit)),
  };
}

function statusOf(body: Buffer): number | null {
  const said = JSON.parse(body.toString('utf8')) as Json;
  const error = isObject(said['error']) ? said['error'] : said;
  const type = String(objectOf(error)['error_type']);
  return Object.hasOwn(STATUS_OF_TYPE, type) ? STATUS_OF_TYPE[type]! : null;
}
