import type { RingsideError } from '#core/errors.ts';
import { type ErrorSource, readError as readWireError } from '#translation/wires/openai/errors.ts';

/** Cohere's own status for a prompt or an answer that it blocked. */
const BLOCKED = 498;

/** Reads Cohere's error body: `{message}`, as OpenAI-like servers without a wrapper send it. */
export function readError(
  status: number,
  body: Buffer,
  retryAfter: string | undefined,
  target: ErrorSource,
): RingsideError {
  return readWireError(status === BLOCKED ? 422 : status, body, retryAfter, target);
}
