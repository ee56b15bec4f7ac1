import { z } from 'zod';
import type { Answer, AnswerContext, Call, Problem, StreamEvent } from '../../dialect.ts';
import { type Form, fieldOf, filesOf } from '../../form.ts';
import { createRandom, hashText } from '../../random.ts';
import { composeAnswer, countTokens } from '../../tokens.ts';
import { badRequest } from './errors.ts';
import { drawBytes, mediaUsage } from './media-usage.ts';

const BYTES_PER_TOKEN = 1_024;
const SECONDS_PER_TOKEN = 0.25;

const SOUND_TYPES = {
  mp3: 'audio/mpeg',
  opus: 'audio/opus',
  aac: 'audio/aac',
  flac: 'audio/flac',
  wav: 'audio/wav',
  pcm: 'audio/pcm',
};

const speechRequest = z.object({
  model: z.string().min(1).max(256),
  input: z.string().min(1).max(4096),
  voice: z.union([z.string().min(1), z.looseObject({ id: z.string() })]),
  response_format: z.enum(['mp3', 'opus', 'aac', 'flac', 'wav', 'pcm']).nullish(),
  stream_format: z.enum(['sse', 'audio']).nullish(),
});

type SpeechRequest = z.output<typeof speechRequest>;

/** `POST /v1/audio/speech`: bytes that sound like nothing. */
export function readSpeech(body: unknown): Call | Problem {
  const parsed = speechRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error, body);
  const request = parsed.data;
  const stream = request.stream_format === 'sse';
  return { kind: 'call', model: request.model, stream, answer: (context) => speak(request, context) };
}

function speak(request: SpeechRequest, { seed, behaviour }: AnswerContext): Answer {
  const { model, input } = request;
  const tokens = behaviour.answerTokens;
  const sound = drawBytes(createRandom(`speech ${seed} ${model} ${input}`), tokens * BYTES_PER_TOKEN);
  if (request.stream_format !== 'sse') {
    return { kind: 'plain', body: sound, contentType: SOUND_TYPES[request.response_format ?? 'mp3'], tokens };
  }
  function* events(): Iterable<StreamEvent> {
    for (let at = 0; at < sound.length; at += BYTES_PER_TOKEN) {
      const audio = sound.subarray(at, at + BYTES_PER_TOKEN).toString('base64');
      yield { data: JSON.stringify({ type: 'speech.audio.delta', audio }), tokens: 1 };
    }
    const usage = mediaUsage(behaviour, countTokens(input), tokens);
    yield { data: JSON.stringify({ type: 'speech.audio.done', usage }), tokens: 0 };
  }
  return { kind: 'stream', events: events(), terminator: undefined, tokens };
}

const TEXT_TYPES: Readonly<Record<string, string>> = {
  text: 'text/plain; charset=utf-8',
  srt: 'text/plain',
  vtt: 'text/vtt',
};
const FORMATS = ['json', 'verbose_json', 'text', 'srt', 'vtt'];

/** `POST /v1/audio/transcriptions`. */
export function readTranscription(body: unknown): Call | Problem {
  return readSound(body as Form, 'transcribe');
}

/** `POST /v1/audio/translations`. */
export function readTranslation(body: unknown): Call | Problem {
  return readSound(body as Form, 'translate');
}

function readSound(form: Form, task: 'transcribe' | 'translate'): Call | Problem {
  const model = fieldOf(form, 'model');
  const [file] = filesOf(form, 'file');
  const format = fieldOf(form, 'response_format') ?? 'json';
  if (model === undefined || file === undefined) {
    const missing = model === undefined ? 'model' : 'file';
    return { kind: 'bad-request', message: `Missing required parameter: '${missing}'.`, field: missing, missing: true };
  }
  if (!FORMATS.includes(format)) {
    const message = "Invalid value for 'response_format'.";
    return { kind: 'bad-request', message, field: 'response_format', missing: false };
  }
  const stream = task === 'transcribe' && fieldOf(form, 'stream') === 'true';
  const seed = `${task} ${hashText(file.toString('latin1'))}`;
  return { kind: 'call', model, stream, answer: (context) => hear({ model, seed, format, stream, task }, context) };
}

interface Hearing {
  readonly model: string;
  readonly seed: string;
  readonly format: string;
  readonly stream: boolean;
  readonly task: 'transcribe' | 'translate';
}

function hear({ model, seed, format, stream, task }: Hearing, context: AnswerContext): Answer {
  const { behaviour } = context;
  const pieces = composeAnswer(model, createRandom(`${context.seed} ${model} ${seed}`), behaviour.answerTokens);
  const text = pieces.join('');
  const tokens = pieces.length;
  const usage = { type: 'tokens', ...mediaUsage(behaviour, tokens * 2, tokens) };
  const said = behaviour.usage === 'missing' ? {} : { usage };
  if (stream) {
    return { kind: 'stream', events: transcriptEvents(pieces, { text, ...said }), terminator: undefined, tokens };
  }
  const seconds = tokens * SECONDS_PER_TOKEN;
  const plain = (body: string): Answer => ({ kind: 'plain', body, contentType: TEXT_TYPES[format], tokens });
  switch (format) {
    case 'text':
      return plain(`${text}\n`);
    case 'srt':
      return plain(`1\n00:00:00,000 --> 00:00:08,000\n${text}\n\n`);
    case 'vtt':
      return plain(`WEBVTT\n\n00:00:00.000 --> 00:00:08.000\n${text}\n\n`);
    case 'verbose_json':
      return plain(
        JSON.stringify({ task, language: 'english', duration: seconds, text, usage: { type: 'duration', seconds } }),
      );
    default:
      return plain(JSON.stringify({ text, ...said }));
  }
}

function* transcriptEvents(pieces: readonly string[], done: object): Iterable<StreamEvent> {
  for (const delta of pieces) yield { data: JSON.stringify({ type: 'transcript.text.delta', delta }), tokens: 1 };
  yield { data: JSON.stringify({ type: 'transcript.text.done', ...done }), tokens: 0 };
}
