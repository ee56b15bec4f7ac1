import type { Citation } from '../../chat/parts.ts';
import type { FinishReason, TokenLogprob } from '../../chat/reply.ts';
import { isObject, type Json, listOf, objectOf, textOf } from './json.ts';

/** What both a whole message and a delta say, piece by piece, in the order in which a model makes it. */
export type Piece =
  | { readonly kind: 'reasoning' | 'text' | 'refusal'; readonly text: string }
  | { readonly kind: 'citation'; readonly citation: Citation }
  | {
      readonly kind: 'call';
      /** Null where the server numbers none. */
      readonly index: number | null;
      readonly id: string | null;
      readonly name: string | null;
      readonly arguments: string;
    };

/** Reads a message or a delta. Recordings are left out: no request of ours asks for any. */
export function readPieces(message: Json): Piece[] {
  const pieces: Piece[] = [];
  const say = (kind: 'reasoning' | 'text' | 'refusal', value: unknown) => {
    const text = textOf(value);
    if (text !== null) pieces.push({ kind, text });
  };
  // vLLM and DeepSeek say `reasoning_content`, newer vLLM and OpenRouter `reasoning`.
  say('reasoning', textOf(message['reasoning_content']) ?? message['reasoning']);
  readContent(message['content'], say);
  for (const annotation of listOf(message['annotations'])) {
    const citation = readCitation(annotation);
    if (citation !== null) pieces.push({ kind: 'citation', citation });
  }
  say('refusal', message['refusal']);
  for (const call of listOf(message['tool_calls'])) if (isObject(call)) pieces.push(readCall(call));
  const legacy = message['function_call'];
  if (isObject(legacy)) pieces.push({ kind: 'call', index: 0, id: null, ...readFunction(legacy) });
  return pieces;
}

type Say = (kind: 'reasoning' | 'text' | 'refusal', value: unknown) => void;

/** A text, or Mistral's list of `text` and `thinking` chunks. */
function readContent(content: unknown, say: Say): void {
  if (!Array.isArray(content)) return say('text', content);
  for (const chunk of content) {
    if (!isObject(chunk)) continue;
    if (chunk['type'] === 'thinking') {
      const thinking = chunk['thinking'];
      if (!Array.isArray(thinking)) say('reasoning', thinking);
      for (const thought of listOf(thinking)) say('reasoning', objectOf(thought)['text']);
    } else if (chunk['type'] === 'refusal') say('refusal', chunk['refusal']);
    else say('text', chunk['text']);
  }
}

function readCall(call: Json): Piece {
  const { index } = call;
  return {
    kind: 'call',
    index: typeof index === 'number' ? index : null,
    id: textOf(call['id']),
    ...readFunction(objectOf(call['function'])),
  };
}

function readFunction(said: Json): { name: string | null; arguments: string } {
  const args = said['arguments'];
  // Some servers give the object itself.
  return { name: textOf(said['name']), arguments: isObject(args) ? JSON.stringify(args) : (textOf(args) ?? '') };
}

function readCitation(annotation: unknown): Citation | null {
  const said = objectOf(objectOf(annotation)['url_citation']);
  const url = textOf(said['url']);
  if (url === null) return null;
  const offset = (value: unknown) => (typeof value === 'number' ? value : null);
  return {
    kind: 'url',
    url,
    title: textOf(said['title']),
    citedText: textOf(said['content']),
    startIndex: offset(said['start_index']),
    endIndex: offset(said['end_index']),
  };
}

/** Log probabilities of a choice; null where it has none. */
export function readLogprobs(logprobs: unknown): TokenLogprob[] | null {
  if (!isObject(logprobs)) return null;
  const tokens = Array.isArray(logprobs['content']) ? logprobs['content'] : logprobs['refusal'];
  if (!Array.isArray(tokens)) return null;
  return tokens.filter(isObject).map((token) => ({
    ...readToken(token),
    top: listOf(token['top_logprobs']).filter(isObject).map(readToken),
  }));
}

function readToken(token: Json): Omit<TokenLogprob, 'top'> {
  const { token: text, logprob, bytes } = token;
  return {
    token: typeof text === 'string' ? text : '',
    logprob: typeof logprob === 'number' ? logprob : 0,
    bytes: Array.isArray(bytes) ? bytes.filter((byte) => typeof byte === 'number') : null,
  };
}

const FINISHES: ReadonlyMap<string, FinishReason> = new Map([
  ['stop', 'stop'],
  // Text Generation Inference
  ['eos_token', 'stop'],
  ['stop_sequence', 'stop_sequence'],
  ['length', 'length'],
  // Mistral: the model's context is full
  ['model_length', 'length'],
  ['tool_calls', 'tool_calls'],
  ['function_call', 'tool_calls'],
  ['content_filter', 'content_filter'],
]);

export interface ReadFinish {
  readonly finish: FinishReason;
  readonly raw: string;
  readonly stopSequence: string | null;
}

/** Why a choice ended; null while it has not. `made` says which parts it has. */
export function readFinish(
  choice: Json,
  made: { readonly calls: boolean; readonly refusal: boolean },
): ReadFinish | null {
  const raw = textOf(choice['finish_reason']);
  if (raw === null) return null;
  const finish = FINISHES.get(raw) ?? 'other';
  // vLLM says which stop text it met.
  const stopSequence = finish === 'stop' || finish === 'stop_sequence' ? textOf(choice['stop_reason']) : null;
  if (stopSequence !== null) return { finish: 'stop_sequence', raw, stopSequence };
  // OpenAI says "stop" where the caller named the tool, and where the model refused.
  if (finish === 'stop' && made.calls) return { finish: 'tool_calls', raw, stopSequence };
  if (finish === 'stop' && made.refusal) return { finish: 'refusal', raw, stopSequence };
  return { finish, raw, stopSequence };
}
