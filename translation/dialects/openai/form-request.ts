import { planScan, type ScanPlan } from '#core/body-scan.ts';
import { RingsideError } from '#core/errors.ts';
import { type FormField, formType, readBoundary, scanForm } from '#core/form-scan.ts';
import type { Operation } from '#core/names.ts';
import { checkUnit } from '#core/unit.ts';
import type { RequestTarget } from '../../chat/dialect.ts';
import type { ParsedRequest } from '../ingress.ts';

const GOVERNED = ['model', 'stream', 'user'] as const;
const MAX_FIELD_BYTES = 4_096;

/** The fields that are looked for: the governed ones and those that some adapter refuses. */
export function planForm(refusedKeys: readonly string[]): ScanPlan {
  return planScan([...GOVERNED, ...refusedKeys]);
}

/**
 * Reads a `multipart/form-data` body without copying it. The whole part of the model is written anew, so that nothing of its head goes
 * on. Throws `bad_request` with `param` for what the gateway itself must understand, and for what servers may read in two ways.
 */
export function parseForm(
  body: Buffer,
  plan: ScanPlan,
  _operation: Operation,
  _target: RequestTarget,
  contentType: string | undefined,
): ParsedRequest {
  const boundary = boundaryOf(contentType);
  const scan = scanForm(body, boundary, plan.keys);
  if (scan.kind === 'bad') {
    throw new RingsideError('bad_request', scan.message, scan.param === null ? {} : { param: scan.param });
  }
  const [model, stream, user] = scan.fields;
  if (model === undefined) throw bad('model', 'The part "model" is missing; set it to the name of a model group.');
  return {
    model: textOf(body, 'model', model),
    modelSpan: model.part,
    stream: stream !== undefined && readFlag(textOf(body, 'stream', stream)),
    user: user === undefined ? null : checkUnit(textOf(body, 'user', user), 'user'),
    metadata: null,
    hideUsage: false,
    insertion: null,
    refused: plan.keys.slice(GOVERNED.length).filter((_, index) => scan.fields[GOVERNED.length + index] !== undefined),
    form: { contentType: formType(boundary), writeModel: (upstreamModel) => writeModel(upstreamModel, boundary) },
  };
}

function boundaryOf(contentType: string | undefined): string {
  const reading = readBoundary(contentType);
  switch (reading.kind) {
    case 'boundary':
      return reading.boundary;
    case 'bad':
      throw bad('content-type', reading.message);
    case 'other': {
      const message = 'Send this request as multipart/form-data.';
      throw new RingsideError('bad_request', message, { status: 415, param: 'content-type' });
    }
    default:
      return reading satisfies never;
  }
}

/** The part that names the upstream's model. */
function writeModel(upstreamModel: string, boundary: string): Buffer {
  // A line of it could end the part.
  if (/[\r\n\0]/.test(upstreamModel) || upstreamModel.startsWith(`--${boundary}`)) {
    throw bad('model', 'The name of the upstream model cannot stand in this form; choose another boundary.');
  }
  return Buffer.from(`Content-Disposition: form-data; name="model"\r\n\r\n${upstreamModel}`);
}

function textOf(body: Buffer, name: string, { value: { start, end } }: FormField): string {
  if (end - start > MAX_FIELD_BYTES) throw bad(name, `The part "${name}" is longer than ${MAX_FIELD_BYTES} bytes.`);
  return body.toString('utf8', start, end);
}

function readFlag(text: string): boolean {
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw bad('stream', 'The part "stream" must be true or false.');
}

function bad(param: string, message: string): RingsideError {
  return new RingsideError('bad_request', message, { param });
}
