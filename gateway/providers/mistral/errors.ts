import type { RingsideError } from '#core/errors.ts';
import { type ErrorSource, readError as readWireError } from '#translation/wires/openai/errors.ts';
import { isObject, type Json, listOf, objectOf, textOf } from '#translation/wires/openai/json.ts';

/**
 * Reads Mistral's errors: `{object: 'error', message, type, param, code}`, `{detail: 'Unauthorized'}` or, of a body with a wrong shape,
 * `{detail: [{loc, msg}]}`, which may also stand in `message`.
 */
export function readError(
  status: number,
  body: Buffer,
  retryAfter: string | undefined,
  target: ErrorSource,
): RingsideError {
  const fault = readFault(body);
  return readWireError(status, fault === null ? body : Buffer.from(JSON.stringify(fault)), retryAfter, target);
}

/** The first of a list of faults as one message; null where there is no list. */
function readFault(body: Buffer): { readonly message: string; readonly param: string | null } | null {
  const said = parse(body);
  const list = [said['detail'], objectOf(said['message'])['detail']].find(Array.isArray);
  const fault = objectOf(listOf(list)[0]);
  const message = textOf(fault['msg']);
  if (message === null) return null;
  const where = listOf(fault['loc']).filter((step) => step !== 'body');
  const param = where.length === 0 ? null : where.join('.');
  return { message: param === null ? message : `${param}: ${message}`, param };
}

function parse(body: Buffer): Json {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isObject(value) ? value : {};
  } catch {
    return {}; // a page of a proxy, which the wire's reader passes over as well
  }
}
