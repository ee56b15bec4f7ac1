import { RingsideError } from '#core/errors.ts';
import type { UpstreamCall, UpstreamEndpoint } from './handler.ts';

declare const CHECKED: unique symbol;
/** Header lines, each with its CRLF, of checked names and values: only `addHeader` makes them. */
export type HeaderLines = string & { readonly [CHECKED]: true };

export const NO_HEADERS = '' as HeaderLines;

/** RFC 9110, sections 5.6.2 and 5.5: no CR, LF or NUL can pass, so that no value can end its header. */
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const NO_PATH = /[^\x21-\x7e]/;
/** Set by the client itself, or with a meaning for the connection that it does not implement. */
const OWN = new Set([
  ...['host', 'connection', 'keep-alive', 'content-length', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'expect'],
]);

/** A body up to this size is copied behind its head, so that both leave in one write; a larger one is written as it is. */
const MAX_COPIED_BYTES = 65_536;

/**
 * Appends one header.
 * @throws bad_request naming the header, never its value, when HTTP does not allow it
 */
export function addHeader(lines: HeaderLines, name: string, value: string): HeaderLines {
  if (!TOKEN.test(name) || OWN.has(name.toLowerCase()) || NO_VALUE.test(value)) {
    throw new RingsideError('bad_request', `The header ${JSON.stringify(name)} cannot be passed on as it is.`);
  }
  return `${lines}${name}: ${value}\r\n` as HeaderLines;
}

/** The part of a POST's head that does not change from call to call. `path` begins with a slash; `headers` are names and values in turn. */
export function bindHead(origin: string, path: string, headers: readonly string[]): Buffer {
  if (!path.startsWith('/') || NO_PATH.test(path)) throw new TypeError('the path of an upstream is not valid');
  let lines = NO_HEADERS;
  for (let i = 0; i < headers.length; i += 2) lines = addHeader(lines, headers[i]!, headers[i + 1]!);
  const { host } = new URL(origin);
  return Buffer.from(`POST ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n${lines}`, 'latin1');
}

export function bindEndpoint(origin: string, connectTimeoutMs: number): UpstreamEndpoint {
  return { key: `${connectTimeoutMs} ${origin}`, origin, connectTimeoutMs };
}

/**
 * The head of a call, and behind it the body when that is small: then `whole` is set and nothing is left to write.
 * @throws RangeError when `bodyBytes` is wrong
 */
// hot
export function encodeRequest(call: UpstreamCall): { readonly bytes: Buffer; readonly whole: boolean } {
  const { head, body, bodyBytes } = call;
  let sum = 0;
  for (const piece of body) sum += piece.length;
  // Any difference would be read as the beginning of the next request.
  if (sum !== bodyBytes) throw new RangeError('bodyBytes is not the length of the body');
  const rest = `${call.headers}content-length: ${bodyBytes}\r\n\r\n`;
  const headBytes = head.length + rest.length;
  const whole = bodyBytes <= MAX_COPIED_BYTES;
  const bytes = Buffer.allocUnsafe(whole ? headBytes + bodyBytes : headBytes);
  bytes.set(head, 0);
  bytes.write(rest, head.length, 'latin1');
  if (whole) {
    let at = headBytes;
    for (const piece of body) {
      bytes.set(piece, at);
      at += piece.length;
    }
  }
  return { bytes, whole };
}
