import { ERROR_CODES, type RingsideError } from '#core/errors.ts';
import type { RequestTarget } from '../../chat/dialect.ts';

/** Google's names of statuses (google.rpc.Code as HTTP maps it, and as the API's guide to errors words it, read 2026-11). */
const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  413: 'INVALID_ARGUMENT',
  415: 'INVALID_ARGUMENT',
  422: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};
const TYPE = 'type.googleapis.com/google.rpc';

/** Our errors as Google writes them. */
export function errorBody(error: RingsideError): string {
  const { status, message, param, retryAfterSeconds } = error;
  const reason = ERROR_CODES[error.code].publicCode.toUpperCase();
  return JSON.stringify({
    error: {
      code: status,
      message,
      status: STATUS_NAMES[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL'),
      details: [
        { '@type': `${TYPE}.ErrorInfo`, reason, domain: 'ringside' },
        ...(param === undefined
          ? []
          : [{ '@type': `${TYPE}.BadRequest`, fieldViolations: [{ field: param, description: message }] }]),
        ...(retryAfterSeconds === undefined
          ? []
          : [{ '@type': `${TYPE}.RetryInfo`, retryDelay: `${retryAfterSeconds}s` }]),
      ],
    },
  });
}

/** The same as the last event of a stream, or the last element of an array. */
export function errorEvent(error: RingsideError, framing: RequestTarget['framing'], isFirst: boolean): string {
  if (framing === 'sse') return `data: ${errorBody(error)}\n\n`;
  return `${isFirst ? '[' : ',\n'}${errorBody(error)}\n]`;
}

/** A comment, or white space, which may stand between the elements of an array and before it. */
export function keepAlive(framing: RequestTarget['framing']): string {
  return framing === 'sse' ? ': keep-alive\n\n' : '\n';
}
