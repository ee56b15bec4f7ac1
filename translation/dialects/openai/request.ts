import { decodeString, planScan, type ScanPlan, type Span, scanBody } from '#core/body-scan.ts';
import { RingsideError } from '#core/errors.ts';
import { type Metadata, parseMetadata } from '#core/metadata.ts';
import type { Operation } from '#core/names.ts';
import { checkUnit } from '#core/unit.ts';
import type { ParsedRequest } from '../ingress.ts';

const GOVERNED = ['model', 'stream', 'stream_format', 'user', 'metadata'] as const;
/** OpenAI allows 16 pairs of 64 and 512 characters. */
const MAX_METADATA_BYTES = 16_384;

/** Scans for the governed keys and for those that some adapter refuses. */
export function planRequest(refusedKeys: readonly string[]): ScanPlan {
  return planScan([...GOVERNED, ...refusedKeys]);
}

/** Reads a JSON body without parsing it. Throws `bad_request` with `param` for what the gateway itself must understand. */
export function parseRequest(body: Buffer, plan: ScanPlan, operation: Operation): ParsedRequest {
  const scan = scanBody(body, plan);
  if (scan.kind === 'bad') {
    throw new RingsideError('bad_request', scan.message, scan.param === null ? {} : { param: scan.param });
  }
  const [modelSpan, streamSpan, formatSpan, userSpan, metadataSpan] = scan.spans;
  if (modelSpan === undefined) throw bad('model', 'The key "model" is missing; set it to the name of a model group.');
  const model = decodeString(body, modelSpan);
  if (model === null) throw bad('model', 'The key "model" must be a string: the name of a model group.');
  return {
    model,
    modelSpan,
    stream: isStream(body, operation, streamSpan, formatSpan),
    user: userSpan === undefined ? null : checkUnit(decodeString(body, userSpan) ?? '', 'user'),
    metadata: metadataSpan === undefined ? null : readMetadata(body, metadataSpan),
    hideUsage: false,
    insertion: null,
    refused: plan.keys.slice(GOVERNED.length).filter((_, index) => scan.spans[GOVERNED.length + index] !== undefined),
  };
}

/** Images stream by `stream`, speech by `stream_format`; the others do not. */
function isStream(body: Buffer, operation: Operation, flag: Span | undefined, format: Span | undefined): boolean {
  if (operation === 'speech') return format !== undefined && decodeString(body, format) === 'sse';
  if (operation !== 'image-generations' || flag === undefined) return false;
  const text = body.toString('latin1', flag.start, Math.min(flag.end, flag.start + 6));
  if (text === 'true') return true;
  if (text === 'false' || text === 'null') return false;
  throw bad('stream', 'The key "stream" must be true or false.');
}

function readMetadata(body: Buffer, { start, end }: Span): Metadata | null {
  if (end - start > MAX_METADATA_BYTES) return null;
  const parsed = parseMetadata(body.toString('utf8', start, end), MAX_METADATA_BYTES);
  return parsed.kind === 'ok' ? parsed.metadata : null;
}

function bad(param: string, message: string): RingsideError {
  return new RingsideError('bad_request', message, { param });
}
