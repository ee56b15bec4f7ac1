/**
 * The closed table of what can go wrong with a request, and the one error class.
 * `status` is the HTTP status, `type` and `publicCode` are the words of the OpenAI error body
 * (other dialects translate from the code).
 */
export const ERROR_CODES = {
  bad_request: { status: 400, type: 'invalid_request_error', publicCode: 'bad_request' },
  unsupported_parameter: {
    status: 400,
    type: 'invalid_request_error',
    publicCode: 'unsupported_parameter',
  },
  unsupported_operation: { status: 400, type: 'invalid_request_error', publicCode: 'unsupported_operation' },
  unauthorized: { status: 401, type: 'authentication_error', publicCode: 'invalid_api_key' },
  forbidden: { status: 403, type: 'permission_error', publicCode: 'forbidden' },
  group_not_found: { status: 404, type: 'invalid_request_error', publicCode: 'model_not_found' },
  route_not_found: { status: 404, type: 'invalid_request_error', publicCode: 'route_not_found' },
  method_not_allowed: {
    status: 405,
    type: 'invalid_request_error',
    publicCode: 'method_not_allowed',
  },
  body_too_large: { status: 413, type: 'invalid_request_error', publicCode: 'body_too_large' },
  rate_limited: { status: 429, type: 'rate_limit_error', publicCode: 'rate_limited' },
  client_closed: { status: 499, type: 'client_error', publicCode: 'client_closed' },
  internal: { status: 500, type: 'server_error', publicCode: 'internal_error' },
  upstream_error: { status: 502, type: 'upstream_error', publicCode: 'upstream_error' },
  upstream_rejected: { status: 400, type: 'invalid_request_error', publicCode: 'upstream_rejected' },
  upstream_rate_limited: {
    status: 429,
    type: 'rate_limit_error',
    publicCode: 'upstream_rate_limited',
  },
  upstream_unreachable: { status: 502, type: 'upstream_error', publicCode: 'upstream_unreachable' },
  upstream_protocol: { status: 502, type: 'upstream_error', publicCode: 'upstream_protocol' },
  upstream_timeout: { status: 504, type: 'upstream_error', publicCode: 'upstream_timeout' },
  overloaded: { status: 503, type: 'server_error', publicCode: 'overloaded' },
  log_unavailable: { status: 503, type: 'server_error', publicCode: 'log_unavailable' },
  config_unavailable: { status: 503, type: 'server_error', publicCode: 'config_unavailable' },
  group_not_ready: { status: 503, type: 'server_error', publicCode: 'group_not_ready' },
  interrupted: { status: 500, type: 'server_error', publicCode: 'interrupted' },
} as const satisfies Record<string, ErrorSpec>;

interface ErrorSpec {
  readonly status: number;
  readonly type: string;
  readonly publicCode: string;
}

export type ErrorCode = keyof typeof ERROR_CODES;

/** Every code in table order; a code's place is its column in the metrics. */
export const ERROR_CODE_LIST = Object.keys(ERROR_CODES) as readonly ErrorCode[];

/** What a failure may carry beside its code. */
export interface ErrorDetails {
  /** The request field at fault, as the caller spelled it. */
  readonly param?: string;
  /** Seconds the caller should wait, for `Retry-After`. */
  readonly retryAfterSeconds?: number;
  /** Overrides the table's status, for statuses that an upstream chose and that the caller may see. */
  readonly status?: number;
  readonly cause?: unknown;
}

/** A caller's own words may stand in a message: what comes back of them is bounded. */
const MAX_MESSAGE_CHARS = 8_192;
const MAX_PARAM_CHARS = 512;

/** The one error class. `message` is public: it never holds a secret, an internal host or a stack. */
export class RingsideError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly param: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(cut(message, MAX_MESSAGE_CHARS), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'RingsideError';
    this.code = code;
    this.status = details.status ?? ERROR_CODES[code].status;
    this.param = details.param === undefined ? undefined : cut(details.param, MAX_PARAM_CHARS);
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  /** Turns whatever was thrown into a RingsideError; what is not one already becomes `internal` with a neutral message. */
  static from(reason: unknown): RingsideError {
    if (reason instanceof RingsideError) return reason;
    return new RingsideError('internal', 'The gateway failed to handle this request.', { cause: reason });
  }
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)} ...`;
}
