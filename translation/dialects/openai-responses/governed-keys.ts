import { decodeString, planScan, type ScanPlan, type Span, scanBody } from '#core/body-scan.ts';
import { RingsideError } from '#core/errors.ts';
import { type Metadata, parseMetadata } from '#core/metadata.ts';
import type { Operation } from '#core/names.ts';
import { checkUnit } from '#core/unit.ts';
import type { ParsedRequest } from '../ingress.ts';

const GOVERNED = ['model', 'stream', 'user', 'safety_identifier', 'metadata', 'background'] as const;
/** OpenAI allows 16 pairs of 64 and 512 characters. */
const MAX_METADATA_BYTES = 16_384;

/** Scans for the governed keys and for those that some adapter refuses. */
export function planRequest(refusedKeys: readonly string[]): ScanPlan {
  return planScan([...GOVERNED, ...refusedKeys]);
}

/**
 * Reads a body of `POST /v1/responses` without parsing it. Throws `bad_request` with `param` for what the gateway itself must
 * understand, and refuses responses in the background: nobody would see, record or fetch them.
 */
export function parseRequest(body: Buffer, plan: ScanPlan, _operation: Operation): ParsedRequest {
  const scan = scanBody(body, plan);
  if (scan.kind === 'bad') {
    throw new RingsideError('bad_request', scan.message, scan.param === null ? {} : { param: scan.param });
  }
  const [modelSpan, streamSpan, userSpan, identifierSpan, metadataSpan, backgroundSpan] = scan.spans;
  if (modelSpan === undefined) throw bad('model', 'The key "model" is missing; set it to the name of a model group.');
  const model = decodeString(body, modelSpan);
  if (model === null) throw bad('model', 'The key "model" must be a string: the name of a model group.');
  if (readFlag(body, backgroundSpan, 'background')) {
    const message = 'A response in the background cannot be recorded; remove "background", or set it to false.';
    throw new RingsideError('unsupported_parameter', message, { param: 'background' });
  }
  return {
    model,
    modelSpan,
    stream: readFlag(body, streamSpan, 'stream'),
    user: readUnit(body, userSpan, 'user') ?? readUnit(body, identifierSpan, 'safety_identifier'),
    metadata: metadataSpan === undefined ? null : readMetadata(body, metadataSpan),
    // A Response always says its usage.
    hideUsage: false,
    insertion: null,
    refused: plan.keys.slice(GOVERNED.length).filter((_, index) => scan.spans[GOVERNED.length + index] !== undefined),
  };
}

function readUnit(body: Buffer, span: Span | undefined, name: string): string | null {
  const text = span === undefined ? null : decodeString(body, span);
  return text === null ? null : checkUnit(text, name);
}

function readMetadata(body: Buffer, { start, end }: Span): Metadata | null {
  if (end - start > MAX_METADATA_BYTES) return null;
  const parsed = parseMetadata(body.toString('utf8', start, end), MAX_METADATA_BYTES);
  return parsed.kind === 'ok' ? parsed.metadata : null;
}

function readFlag(body: Buffer, span: Span | undefined, name: string): boolean {
  if (span === undefined) return false;
  const text = body.toString('latin1', span.start, Math.min(span.end, span.start + 6));
  if (text === 'true') return true;
  if (text === 'false' || text === 'null') return false;
  throw bad(name, `The key "${name}" must be true or false.`);
}

function bad(param: string, message: string): RingsideError {
  return new RingsideError('bad_request', message, { param });
}
