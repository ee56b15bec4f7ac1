import aws4 from 'aws4';
import type { AccessKey } from '#core/provider-credentials/bedrock.ts';

/** A call as it will be sent: nothing of it may change once it is signed. */
export interface SignableCall {
  readonly method: 'GET' | 'POST';
  /** With the port where it is not the scheme's own, as the header `host` says it. */
  readonly host: string;
  /** As in the request line: percent-encoded, with its query. */
  readonly path: string;
  /** Headers that the signature shall cover beside `host`. Lower-case names; those that a proxy may change do not belong here. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const SERVICE = 'bedrock';

/**
 * Signs a call with Signature Version 4 (AWS General Reference, "Signature Version 4 signing process").
 * @param region in which the endpoint lies
 * @param nowUnixMs AWS refuses signatures that are more than five minutes off its own clock
 * @returns the headers to send beside those of the call: `x-amz-date`, `authorization` and `x-amz-security-token` for temporary keys
 */
export function sign(call: SignableCall, key: AccessKey, region: string, nowUnixMs: number): Record<string, string> {
  const date = new Date(nowUnixMs).toISOString().replace(/[:-]|\.\d{3}/g, '');
  const added = {
    'x-amz-date': date,
    ...(key.sessionToken === null ? {} : { 'x-amz-security-token': key.sessionToken }),
  };
  const request: aws4.Request & { extraHeadersToIgnore: Record<string, true> } = {
    service: SERVICE,
    region,
    method: call.method,
    host: call.host,
    path: call.path,
    headers: { host: call.host, ...call.headers, ...added },
    body: call.body,
    // The transport adds it, and the hash of the body says more.
    extraHeadersToIgnore: { 'content-length': true },
  };
  const { headers } = aws4.sign(request, {
    accessKeyId: key.accessKeyId,
    secretAccessKey: key.secretAccessKey,
    ...(key.sessionToken === null ? {} : { sessionToken: key.sessionToken }),
  });
  return { ...added, authorization: String(headers?.['Authorization']) };
}
