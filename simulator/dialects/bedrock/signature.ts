import { createHash } from 'node:crypto';
import aws4 from 'aws4';
import type { Problem, RequestHead } from '../../dialect.ts';

const SIGNED =
  /^AWS4-HMAC-SHA256 Credential=([^/\s]+)\/(\d{8})\/([^/\s]+)\/([^/\s]+)\/aws4_request, ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{64})$/;
const BEARER = /^bearer +(\S+)\s*$/i;

/**
 * Whether a request is from who may ask. `key` is a Bedrock API key, or `accessKeyId:secretAccessKey`: then the signature must
 * be that of this very request (Signature Version 4), of today's date as the request says it.
 */
export function checkKey(
  { method, path, query, headers }: RequestHead,
  body: Buffer,
  key: string,
): Problem | undefined {
  const presented = headers.authorization;
  if (presented === undefined) return { kind: 'missing-api-key' };
  const bearer = BEARER.exec(presented)?.[1];
  if (bearer !== undefined) return bearer === key ? undefined : { kind: 'wrong-api-key', presentedKey: bearer };
  const match = SIGNED.exec(presented);
  const wrong = { kind: 'wrong-api-key', presentedKey: match?.[1] ?? '' } as const;
  if (match === null) return wrong;
  const [, accessKeyId = '', date = '', region = '', service = '', signedHeaders = ''] = match;
  if (!String(headers['x-amz-date']).startsWith(date) || service !== 'bedrock') return wrong;
  const [ownId, secretAccessKey = ''] = key.split(/:(.*)/s, 2);
  if (accessKeyId !== ownId) return wrong;
  // A hash that the request states is signed as it is stated, so that it must be the body's.
  const stated = headers['x-amz-content-sha256'];
  if (stated !== undefined && stated !== createHash('sha256').update(body).digest('hex')) return wrong;
  const names = signedHeaders.split(';');
  if (!names.includes('host')) return wrong;
  const request: aws4.Request & Record<'extraHeadersToInclude' | 'extraHeadersToIgnore', Record<string, boolean>> = {
    service,
    region,
    method,
    path: query === '' ? path : `${path}?${query}`,
    headers: Object.fromEntries(names.map((name) => [name, String(headers[name])])),
    body,
    extraHeadersToInclude: Object.fromEntries(names.map((name) => [name, true])),
    // Those that aws4 adds by itself.
    extraHeadersToIgnore: {
      'content-length': !names.includes('content-length'),
      'content-type': !names.includes('content-type'),
    },
  };
  const own = String(aws4.sign(request, { accessKeyId, secretAccessKey }).headers?.['Authorization']);
  return SIGNED.exec(own)?.[6] === match[6] ? undefined : wrong;
}
