import { z } from 'zod';
import type { Answer, AnswerContext, Call, Problem, StreamEvent } from '../../dialect.ts';
import { type Form, fieldOf, filesOf } from '../../form.ts';
import { createRandom, hashText } from '../../random.ts';
import { countTokens } from '../../tokens.ts';
import { badRequest } from './errors.ts';
import { drawBytes, mediaUsage } from './media-usage.ts';

const BYTES_PER_TOKEN = 256;

const generationRequest = z.object({
  model: z.string().min(1).max(256),
  prompt: z.string().min(1),
  n: z.int().min(1).max(10).nullish(),
  stream: z.boolean().nullish(),
  partial_images: z.int().min(0).max(3).nullish(),
});

/** What an image is made of. */
interface Picture {
  readonly model: string;
  readonly prompt: string;
  readonly count: number;
  readonly partials: number;
  readonly event: 'image_generation' | 'image_edit';
}

/** `POST /v1/images/generations`. */
export function readImageGeneration(body: unknown): Call | Problem {
  const parsed = generationRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error, body);
  const { model, prompt, n, stream, partial_images: partials } = parsed.data;
  const picture: Picture = { model, prompt, count: n ?? 1, partials: partials ?? 0, event: 'image_generation' };
  return draw(picture, stream ?? false);
}

/** `POST /v1/images/edits`. */
export function readImageEdit(body: unknown): Call | Problem {
  return readUpload(body as Form, true);
}

/** `POST /v1/images/variations`. */
export function readImageVariation(body: unknown): Call | Problem {
  return readUpload(body as Form, false);
}

function readUpload(form: Form, takesPrompt: boolean): Call | Problem {
  const model = fieldOf(form, 'model');
  const prompt = takesPrompt ? fieldOf(form, 'prompt') : '';
  const images = filesOf(form, 'image');
  const missing = model === undefined ? 'model' : prompt === undefined ? 'prompt' : 'image';
  if (model === undefined || prompt === undefined || images.length === 0) {
    return { kind: 'bad-request', message: `Missing required parameter: '${missing}'.`, field: missing, missing: true };
  }
  const seen = images.map((image) => hashText(image.toString('latin1'))).join(' ');
  const count = Number(fieldOf(form, 'n') ?? 1);
  const partials = Number(fieldOf(form, 'partial_images') ?? 0);
  return draw(
    { model, prompt: `${prompt} ${seen}`, count, partials, event: 'image_edit' },
    fieldOf(form, 'stream') === 'true',
  );
}

function draw(picture: Picture, stream: boolean): Call {
  return {
    kind: 'call',
    model: picture.model,
    stream,
    answer: (context) => (stream ? answerStream(picture, context) : answerPlain(picture, context)),
  };
}

function imageOf({ model, prompt }: Picture, { seed, behaviour }: AnswerContext, index: number): string {
  const random = createRandom(`image ${seed} ${model} ${prompt} ${index}`);
  return drawBytes(random, behaviour.answerTokens * BYTES_PER_TOKEN).toString('base64');
}

function answerPlain(picture: Picture, context: AnswerContext): Answer {
  const data = Array.from({ length: picture.count }, (_, index) => ({ b64_json: imageOf(picture, context, index) }));
  const { behaviour, createdSeconds } = context;
  const tokens = behaviour.answerTokens * picture.count;
  const usage = mediaUsage(behaviour, countTokens(picture.prompt), tokens);
  return { kind: 'plain', body: JSON.stringify({ created: createdSeconds, data, usage }), tokens };
}

/** It ends with its last event, without a terminator. */
function answerStream(picture: Picture, context: AnswerContext): Answer {
  const { behaviour, createdSeconds } = context;
  const shared = { created_at: createdSeconds, size: '1024x1024', quality: 'low', background: 'opaque' };
  const event = (kind: string, tokens: number, more: object): StreamEvent => {
    const type = `${picture.event}.${kind}`;
    const b64 = imageOf(picture, context, 0);
    return {
      event: type,
      data: JSON.stringify({ type, b64_json: b64, output_format: 'png', ...shared, ...more }),
      tokens,
    };
  };
  function* events(): Iterable<StreamEvent> {
    for (let at = 0; at < picture.partials; at++) yield event('partial_image', 1, { partial_image_index: at });
    const usage = mediaUsage(behaviour, countTokens(picture.prompt), behaviour.answerTokens);
    yield event('completed', 1, { usage });
  }
  return { kind: 'stream', events: events(), terminator: undefined, tokens: picture.partials + 1 };
}
