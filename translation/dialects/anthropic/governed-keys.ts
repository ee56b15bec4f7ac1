import { decodeString, planScan, type ScanPlan, type Span, scanBody } from '#core/body-scan.ts';
import { RingsideError } from '#core/errors.ts';
import type { Operation } from '#core/names.ts';
import { checkUnit } from '#core/unit.ts';
import type { ParsedRequest } from '../ingress.ts';

const GOVERNED = ['model', 'stream', 'metadata'] as const;
/** `metadata` holds one id of at most 256 characters. */
const MAX_METADATA_BYTES = 16_384;

/** Scans for the governed keys and for those that some adapter refuses. */
export function planRequest(refusedKeys: readonly string[]): ScanPlan {
  return planScan([...GOVERNED, ...refusedKeys]);
}

/**
 * Reads a body of `/v1/messages` or `/v1/messages/count_tokens` without parsing it; `metadata.user_id` is the unit. Throws
 * `bad_request` with `param` for what the gateway itself must understand.
 */
export function parseRequest(body: Buffer, plan: ScanPlan, operation: Operation): ParsedRequest {
  const scan = scanBody(body, plan);
  if (scan.kind === 'bad') {
    throw new RingsideError('bad_request', scan.message, scan.param === null ? {} : { param: scan.param });
  }
  const [modelSpan, streamSpan, metadataSpan] = scan.spans;
  if (modelSpan === undefined) throw bad('model', 'The key "model" is missing; set it to the name of a model group.');
  const model = decodeString(body, modelSpan);
  if (model === null) throw bad('model', 'The key "model" must be a string: the name of a model group.');
  return {
    model,
    modelSpan,
    stream: operation === 'chat' && readFlag(body, streamSpan),
    user: metadataSpan === undefined ? null : readUser(body, metadataSpan),
    metadata: null,
    hideUsage: false,
    insertion: null,
    refused: plan.keys.slice(GOVERNED.length).filter((_, index) => scan.spans[GOVERNED.length + index] !== undefined),
  };
}

function readFlag(body: Buffer, span: Span | undefined): boolean {
  if (span === undefined) return false;
  const text = body.toString('latin1', span.start, Math.min(span.end, span.start + 6));
  if (text === 'true') return true;
  if (text === 'false' || text === 'null') return false;
  throw bad('stream', 'The key "stream" must be true or false.');
}

/** What else `metadata` holds, and whether it may, is the upstream's to judge. */
function readUser(body: Buffer, { start, end }: Span): string | null {
  if (end - start > MAX_METADATA_BYTES) throw bad('metadata', 'The key "metadata" must be a small JSON object.');
  try {
    const value = JSON.parse(body.toString('utf8', start, end)) as { readonly user_id?: unknown } | null;
    const user = value?.user_id;
    return typeof user === 'string' ? checkUnit(user, 'metadata.user_id') : null;
  } catch (reason) {
    if (reason instanceof RingsideError) throw reason;
    throw new RingsideError('bad_request', 'The key "metadata" is not valid JSON.', {
      param: 'metadata',
      cause: reason,
    });
  }
}

function bad(param: string, message: string): RingsideError {
  return new RingsideError('bad_request', message, { param });
}
