import type { ErrorCode, RingsideError } from '#core/errors.ts';

/** Anthropic's error types (API reference, "Errors", read 2026-11) for our codes. */
const TYPES: Readonly<Record<ErrorCode, string>> = {
  bad_request: 'invalid_request_error',
  unsupported_parameter: 'invalid_request_error',
  unsupported_operation: 'invalid_request_error',
  unauthorized: 'authentication_error',
  forbidden: 'permission_error',
  group_not_found: 'not_found_error',
  route_not_found: 'not_found_error',
  method_not_allowed: 'invalid_request_error',
  body_too_large: 'request_too_large',
  client_closed: 'api_error',
  internal: 'api_error',
  upstream_error: 'api_error',
  upstream_rejected: 'invalid_request_error',
  rate_limited: 'rate_limit_error',
  upstream_rate_limited: 'rate_limit_error',
  upstream_unreachable: 'api_error',
  upstream_protocol: 'api_error',
  upstream_timeout: 'timeout_error',
  overloaded: 'overloaded_error',
  log_unavailable: 'api_error',
  config_unavailable: 'api_error',
  group_not_ready: 'api_error',
  interrupted: 'api_error',
};

/** Our errors as Anthropic writes them; the official SDKs pick their exception class by the status. */
export function errorBody(error: RingsideError): string {
  return JSON.stringify({
    type: 'error',
    error: { type: TYPES[error.code], message: error.message },
    request_id: null,
  });
}

/** The same as an event of a stream that has begun: SDKs raise it where they are. */
export function errorEvent(error: RingsideError): string {
  return `event: error\ndata: ${errorBody(error)}\n\n`;
}
