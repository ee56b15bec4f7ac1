import { createHash } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
import { readWithin, startLimit } from './limits.ts';
import { ArchiveMissingError } from './missing.ts';
import type { ArchiveStorage } from './storage.ts';

/** A bucket of AWS or of anything that speaks its protocol. */
export interface S3Settings {
  readonly bucket: string;
  /** What all names begin with, without slashes around it; may be empty. */
  readonly prefix: string;
  readonly region: string;
  /** `https://host`; buckets are addressed by path. */
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Files beyond it are sent in parts of this size; at least 5 MB, which AWS demands (16 MB). */
  readonly partBytes?: number;
  readonly limits?: S3Limits;
}

export interface S3Limits {
  /** Until a file begins to come, its retries included; of everything else until the end (120 000). */
  readonly requestMs: number;
  /** Until the next bytes of a file come, once they are asked for (60 000). A whole file may take hours. */
  readonly idleMs: number;
}

/** With 10 000 parts, which is AWS's bound, the largest archive has 160 GB. */
const PART_BYTES = 16 * 1024 * 1024;
const LIMITS: S3Limits = { requestMs: 120_000, idleMs: 60_000 };
const RETRIES = 4;

/**
 * Archives in an S3-compatible bucket. Every part carries its SHA-256, which is signed and which the server checks; a file
 * that is sent in parts comes into being when all of them are there.
 */
export function createS3Storage(settings: S3Settings): ArchiveStorage {
  const {
    accessKeyId,
    secretAccessKey,
    region,
    bucket,
    prefix,
    endpoint,
    partBytes = PART_BYTES,
    limits = LIMITS,
  } = settings;
  const client = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', retries: RETRIES });

  const urlOf = (name: string, query = '') => {
    const path = [bucket, ...prefix.split('/'), ...name.split('/')]
      .filter((part) => part !== '')
      .map(encodeURIComponent);
    return `${endpoint}/${path.join('/')}${query}`;
  };

  /** The answer to a request that went well, within what `signal` allows. */
  const request = async (method: Method, url: string, signal: AbortSignal, body?: Part): Promise<Response> => {
    const answer = await client.fetch(url, {
      method,
      headers: {
        'x-amz-content-sha256': createHash('sha256')
          .update(body ?? '')
          .digest('hex'),
      },
      signal,
      ...(body === undefined ? {} : { body }),
    });
    if (answer.ok) return answer;
    const problem = problemOf(await answer.text());
    const message = `${method} ${url} answered ${answer.status}${problem}`;
    throw answer.status === 404 && method === 'GET' ? new ArchiveMissingError(message) : new Error(message);
  };

  /** A request and its short answer, all of it within one limit. */
  const exchange = async (method: Method, url: string, body?: Part) => {
    const limit = startLimit(limits.requestMs, `${method} ${url}: no answer for ${limits.requestMs} ms`);
    try {
      const answer = await request(method, url, limit.signal, body);
      return { text: await answer.text(), etag: answer.headers.get('etag') ?? '' };
    } finally {
      limit.cleanup();
    }
  };

  /** The body of a file. There is a limit until it begins to come and then another one for each wait. */
  const readBody = async function* (url: string): AsyncGenerator<Uint8Array> {
    const limit = startLimit(limits.requestMs, `GET ${url}: no answer for ${limits.requestMs} ms`);
    let body: ReadableStream<Uint8Array> | null;
    try {
      body = (await request('GET', url, limit.signal)).body;
    } finally {
      limit.cleanup();
    }
    if (body !== null) yield* readWithin(body, limits.idleMs, `GET ${url}: no byte for ${limits.idleMs} ms`);
  };

  const sendParts = async (name: string, first: Part, rest: AsyncIterator<Part>) => {
    const { text: started } = await exchange('POST', urlOf(name, '?uploads='));
    const uploadId = tagOf(started, 'UploadId');
    if (uploadId === undefined) throw new Error(`the start of an upload to ${urlOf(name)} was not understood`);
    const upload = `uploadId=${encodeURIComponent(uploadId)}`;
    try {
      const tags: string[] = [];
      for (let part: Part | undefined = first; part !== undefined; part = await nextOf(rest)) {
        const { etag } = await exchange('PUT', urlOf(name, `?partNumber=${tags.length + 1}&${upload}`), part);
        tags.push(etag);
      }
      const list = tags.map(
        (tag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(tag)}</ETag></Part>`,
      );
      const body = Buffer.from(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`);
      const { text: completed } = await exchange('POST', urlOf(name, `?${upload}`), body);
      // AWS may find a fault after it has said 200.
      if (tagOf(completed, 'Code') !== undefined)
        throw new Error(`upload to ${urlOf(name)} failed${problemOf(completed)}`);
    } catch (error) {
      // Parts of an upload that never ends are stored, and paid for, for ever.
      await exchange('DELETE', urlOf(name, `?${upload}`)).catch(() => undefined); // the first error tells more
      throw error;
    }
  };

  return {
    place: `${endpoint}/${bucket}${prefix === '' ? '' : `/${prefix}`}`,
    async write(name, chunks) {
      const parts = cut(chunks, partBytes);
      const first = (await nextOf(parts)) ?? Buffer.alloc(0);
      if (first.length < partBytes) await exchange('PUT', urlOf(name), first);
      else await sendParts(name, first, parts);
    },
    read: (name) => readBody(urlOf(name)),
    async remove(name) {
      await exchange('DELETE', urlOf(name));
    },
  };
}

type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';
type Part = Buffer<ArrayBuffer>;

/** The same bytes in parts of one size, the last one shorter. */
async function* cut(chunks: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Part> {
  let part = Buffer.alloc(partBytes);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(chunk.length - at, partBytes - filled);
      part.set(chunk.subarray(at, at + taken), filled);
      at += taken;
      filled += taken;
      if (filled < partBytes) continue;
      yield part;
      part = Buffer.alloc(partBytes); // the last one may still be on its way
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}

async function nextOf(parts: AsyncIterator<Part>): Promise<Part | undefined> {
  const { value, done } = await parts.next();
  return done === true ? undefined : value;
}

/** The text of the first element of this name; these answers are flat and carry no attributes. */
function tagOf(xml: string, tag: string): string | undefined {
  return new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1];
}

function problemOf(xml: string): string {
  const code = tagOf(xml, 'Code');
  return code === undefined ? '' : ` ${code}: ${tagOf(xml, 'Message') ?? ''}`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
