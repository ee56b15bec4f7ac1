import type { Context } from 'hono';
import { PROBLEMS, type Problem } from '../problem.ts';
import type { AppliedChange } from '../publish/change.ts';
import type { StreamAnswer } from './operation.ts';
import { etagOf } from './preconditions.ts';

export const API_BASE = '/api/v1';

/** What is known of every request. */
export interface ApiEnv {
  Variables: { requestId: string };
}

/** Writes a problem as RFC 9457 says; `field` repeats the first issue's, for callers who handle only one. */
export function problemAnswer(c: Context<ApiEnv>, problem: Problem): Response {
  const { status, title } = PROBLEMS[problem.code];
  const [first] = problem.issues;
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    'x-request-id': c.var.requestId,
  };
  if (problem.code === 'unauthorized') headers['www-authenticate'] = 'Bearer realm="ringside"';
  if (problem.retryAfterSeconds !== undefined) headers['retry-after'] = String(problem.retryAfterSeconds);
  const body = {
    type: `urn:ringside:problem:${problem.code}`,
    title,
    status,
    detail: problem.message,
    ...(first === undefined ? {} : { field: first.field, issues: problem.issues }),
    requestId: c.var.requestId,
  };
  return new Response(JSON.stringify(body), { status, headers });
}

/** Writes the answer of a read. */
export function readAnswer(c: Context<ApiEnv>, body: object, version: number | undefined): Response {
  const headers = commonHeaders(c);
  if (version !== undefined) headers['etag'] = etagOf(version);
  return new Response(JSON.stringify(body), { status: 200, headers });
}

/** Writes the answer of a change, with the versions that it led to and who serves them. */
export function changeAnswer(c: Context<ApiEnv>, { answer, replayed, served }: AppliedChange): Response {
  const headers = commonHeaders(c);
  if (answer.version !== null) headers['etag'] = etagOf(answer.version);
  if (answer.location !== null) headers['location'] = API_BASE + answer.location;
  if (replayed) headers['idempotency-replayed'] = 'true';
  headers['x-ringside-served'] = `${served.serving}/${served.live}`;
  headers[answer.awaited.kind === 'snapshot' ? 'x-ringside-config-version' : 'x-ringside-key-version'] = String(
    answer.awaited.version,
  );
  if (answer.body === null) delete headers['content-type'];
  return new Response(answer.body === null ? null : JSON.stringify(answer.body), { status: answer.status, headers });
}

/** Writes an answer that is made while it is read, no faster than it is read. */
export function streamAnswer(c: Context<ApiEnv>, { headers, body }: StreamAnswer): Response {
  return new Response(ReadableStream.from(encoded(body)), {
    status: 200,
    headers: { ...commonHeaders(c), ...headers },
  });
}

async function* encoded(pieces: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const piece of pieces) yield encoder.encode(piece);
}

function commonHeaders(c: Context<ApiEnv>): Record<string, string> {
  return { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-request-id': c.var.requestId };
}
