import { decodeString, planScan, type ScanPlan, type Span, scanBody } from '#core/body-scan.ts';
import { RingsideError } from '#core/errors.ts';
import { type Metadata, parseMetadata } from '#core/metadata.ts';
import type { Operation } from '#core/names.ts';
import { checkUnit } from '#core/unit.ts';
import type { ParsedRequest } from '../ingress.ts';

const GOVERNED = ['model', 'stream', 'stream_options', 'user', 'safety_identifier', 'metadata'] as const;
const MAX_OPTIONS_BYTES = 4_096;
/** OpenAI allows 16 pairs of 64 and 512 characters. */
const MAX_METADATA_BYTES = 16_384;

/** Scans for the governed keys and for those that some adapter refuses. */
export function planRequest(refusedKeys: readonly string[]): ScanPlan {
  return planScan([...GOVERNED, ...refusedKeys]);
}

const INSERTED = Buffer.from('"stream_options":{"include_usage":true},');
const REPLACED = Buffer.from('{"include_usage":true}');

/** Reads a body of the chat family. Throws `bad_request` with `param` for what the gateway itself must understand. */
export function parseRequest(body: Buffer, plan: ScanPlan, operation: Operation): ParsedRequest {
  const scan = scanBody(body, plan);
  if (scan.kind === 'bad') {
    throw new RingsideError('bad_request', scan.message, scan.param === null ? {} : { param: scan.param });
  }
  const [modelSpan, streamSpan, optionsSpan, userSpan, identifierSpan, metadataSpan] = scan.spans;
  if (modelSpan === undefined) throw bad('model', 'The key "model" is missing; set it to the name of a model group.');
  const model = decodeString(body, modelSpan);
  if (model === null) throw bad('model', 'The key "model" must be a string: the name of a model group.');
  const stream = operation !== 'embeddings' && readFlag(body, streamSpan);
  const usage = stream ? planUsage(body, scan.open, optionsSpan) : null;
  return {
    model,
    modelSpan,
    stream,
    user: readUnit(body, userSpan, 'user') ?? readUnit(body, identifierSpan, 'safety_identifier'),
    metadata: metadataSpan === undefined ? null : readMetadata(body, metadataSpan),
    hideUsage: usage !== null,
    insertion: usage,
    refused: plan.keys.slice(GOVERNED.length).filter((_, index) => scan.spans[GOVERNED.length + index] !== undefined),
  };
}

/** Who the end user is: OpenAI takes `safety_identifier` in place of `user`. */
function readUnit(body: Buffer, span: Span | undefined, name: string): string | null {
  return span === undefined ? null : checkUnit(decodeString(body, span) ?? '', name);
}

function readMetadata(body: Buffer, { start, end }: Span): Metadata | null {
  if (end - start > MAX_METADATA_BYTES) return null;
  const parsed = parseMetadata(body.toString('utf8', start, end), MAX_METADATA_BYTES);
  return parsed.kind === 'ok' ? parsed.metadata : null;
}

function readFlag(body: Buffer, span: Span | undefined): boolean {
  if (span === undefined) return false;
  const text = body.toString('latin1', span.start, Math.min(span.end, span.start + 6));
  if (text === 'true') return true;
  if (text === 'false' || text === 'null') return false;
  throw bad('stream', 'The key "stream" must be true or false.');
}

/** How to ask for usage; null when the caller asked already. */
function planUsage(body: Buffer, open: number, span: Span | undefined): ParsedRequest['insertion'] {
  if (span === undefined) return { span: { start: open + 1, end: open + 1 }, text: INSERTED };
  const options = parseOptions(body, span);
  if (options === null) return { span, text: REPLACED };
  if (options['include_usage'] === true) return null;
  return { span, text: Buffer.from(JSON.stringify({ ...options, include_usage: true })) };
}

function parseOptions(body: Buffer, span: Span): Record<string, unknown> | null {
  const fault = bad('stream_options', 'The key "stream_options" must be a small JSON object.');
  if (span.end - span.start > MAX_OPTIONS_BYTES) throw fault;
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8', span.start, span.end));
  } catch (cause) {
    throw new RingsideError('bad_request', fault.message, { param: 'stream_options', cause });
  }
  if (value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value)) throw fault;
  return value as Record<string, unknown>;
}

function bad(param: string, message: string): RingsideError {
  return new RingsideError('bad_request', message, { param });
}
