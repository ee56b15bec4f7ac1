import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A small S3 on a real socket: it checks signatures and checksums as AWS does, and keeps objects in memory. */
export interface FakeS3 {
  readonly url: string;
  readonly objects: Map<string, Buffer>;
  /** Uploads in parts that are neither completed nor aborted. */
  readonly uploads: Map<string, Map<number, Buffer>>;
  /** Method and path of what was answered, and the status. */
  readonly requests: string[];
  /** Answers the next requests to which it applies with this status. */
  failNext(matching: RegExp, status: number, times?: number): void;
  /** Takes the next request to which it applies, and answers nothing (null) or no more than so many bytes of the body. */
  stallNext(matching: RegExp, afterBytes: number | null): void;
  /** Requests whose answer is neither sent nor given up by its reader. */
  readonly open: Set<string>;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

const CREDENTIALS = { accessKeyId: 'AKTEST', secretAccessKey: 'a/secret+key', region: 'eu-test-1' } as const;

export async function startFakeS3(): Promise<FakeS3 & { readonly credentials: typeof CREDENTIALS }> {
  const objects = new Map<string, Buffer>();
  const uploads = new Map<string, Map<number, Buffer>>();
  const requests: string[] = [];
  const open = new Set<string>();
  let failing: { matching: RegExp; status: number; times: number } | undefined;
  let stalling: { matching: RegExp; afterBytes: number | null } | undefined;

  const handle = (request: IncomingMessage, body: Buffer): Answer => {
    const url = new URL(request.url!, 'http://any');
    const line = `${request.method} ${request.url}`;
    if (failing !== undefined && failing.times > 0 && failing.matching.test(line)) {
      failing.times--;
      return problem(failing.status, 'InternalError', 'made to fail');
    }
    const refusal = checkSignature(request, url, body);
    if (refusal !== undefined) return problem(403, 'SignatureDoesNotMatch', refusal);
    const key = decodeURIComponent(url.pathname);
    const uploadId = url.searchParams.get('uploadId');
    const upload = uploadId === null ? undefined : uploads.get(uploadId);
    if (uploadId !== null && upload === undefined) return problem(404, 'NoSuchUpload', uploadId);
    switch (request.method) {
      case 'GET': {
        const found = objects.get(key);
        return found === undefined ? problem(404, 'NoSuchKey', key) : { status: 200, body: found };
      }
      case 'DELETE':
        if (uploadId !== null) uploads.delete(uploadId);
        else objects.delete(key);
        return { status: 204 };
      case 'PUT':
        if (upload !== undefined) upload.set(Number(url.searchParams.get('partNumber')), body);
        else objects.set(key, body);
        return { status: 200, headers: { etag: etagOf(body) } };
      case 'POST': {
        if (upload === undefined) {
          const id = `upload/${uploads.size + 1}+x`;
          uploads.set(id, new Map());
          return { status: 200, body: `<Result><UploadId>${id}</UploadId></Result>` };
        }
        const listed = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g)];
        const parts = listed.map(([, number, tag]) => ({ part: upload.get(Number(number)), tag: unescapeXml(tag!) }));
        if (parts.length !== upload.size || parts.some(({ part, tag }) => part === undefined || etagOf(part) !== tag)) {
          return { status: 200, body: '<Error><Code>InvalidPart</Code><Message>not what was sent</Message></Error>' };
        }
        objects.set(key, Buffer.concat(parts.map(({ part }) => part!)));
        uploads.delete(uploadId!);
        return { status: 200, body: '<CompleteMultipartUploadResult/>' };
      }
      default:
        return problem(405, 'MethodNotAllowed', '');
    }
  };

  const server = createServer(async (request, response) => {
    const name = `${request.method} ${request.url} #${requests.length}`;
    open.add(name);
    response.on('close', () => open.delete(name));
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { status, headers = {}, body = '' } = handle(request, Buffer.concat(chunks));
    requests.push(`${request.method} ${request.url} ${status}`);
    if (stalling?.matching.test(`${request.method} ${request.url}`) === true) {
      const { afterBytes } = stalling;
      stalling = undefined;
      if (afterBytes === null) return;
      response.writeHead(status, { ...headers, 'content-length': body.length });
      response.write(body.slice(0, afterBytes));
      return;
    }
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    ...{ objects, uploads, requests, open, credentials: CREDENTIALS },
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    failNext(matching, status, times = 1) {
      failing = { matching, status, times };
    },
    stallNext(matching, afterBytes) {
      stalling = { matching, afterBytes };
    },
    close: () =>
      new Promise<void>((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

/**
 * AWS Signature Version 4, from its definition ("Signature Version 4 signing process" of the IAM user guide).
 * @returns why the request is refused
 */
function checkSignature(request: IncomingMessage, url: URL, body: Buffer): string | undefined {
  const header = (name: string) => String(request.headers[name] ?? '');
  const shape =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/;
  const match = shape.exec(header('authorization'));
  if (match === null) return 'the authorization header has another shape';
  const [, accessKeyId, day, region, signedHeaders, signature] = match as unknown as string[];
  if (accessKeyId !== CREDENTIALS.accessKeyId || region !== CREDENTIALS.region) return 'unknown credential';
  const names = signedHeaders!.split(';');
  for (const needed of ['host', 'x-amz-content-sha256', 'x-amz-date']) {
    if (!names.includes(needed)) return `${needed} is not signed`;
  }
  const date = header('x-amz-date');
  if (!/^\d{8}T\d{6}Z$/.test(date) || !date.startsWith(day!)) return 'the date has another shape';
  const bodyHash = sha256(body);
  if (header('x-amz-content-sha256') !== bodyHash) return 'the body is not what was signed';
  const encode = (text: string) =>
    encodeURIComponent(text).replace(
      /[!'()*]/g,
      (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  const canonical = [
    request.method,
    url.pathname
      .split('/')
      .map((part) => encode(decodeURIComponent(part)))
      .join('/'),
    [...url.searchParams]
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join('&'),
    ...names.map((name) => `${name}:${header(name).trim().replace(/\s+/g, ' ')}`),
    '',
    signedHeaders,
    bodyHash,
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', date, scope, sha256(Buffer.from(canonical))].join('\n');
  const key = [day!, region!, 's3', 'aws4_request'].reduce<Buffer | string>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${CREDENTIALS.secretAccessKey}`,
  );
  return createHmac('sha256', key).update(text).digest('hex') === signature ? undefined : 'the signature is another';
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

function problem(status: number, code: string, message: string): Answer {
  return { status, body: `<Error><Code>${code}</Code><Message>${message}</Message></Error>` };
}

function unescapeXml(text: string): string {
  return text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&amp;', '&');
}
