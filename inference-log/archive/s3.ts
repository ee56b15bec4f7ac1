import { createHash } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
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
}

/** With 10 000 parts, which is AWS's bound, the largest archive has 160 GB. */
const PART_BYTES = 16 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 120_000;
const RETRIES = 4;

/**
 * Archives in an S3-compatible bucket. Every part carries its SHA-256, which is signed and which the server checks; a file
 * that is sent in parts comes into being when all of them are there.
 */
export function createS3Storage(settings: S3Settings): ArchiveStorage {
  const { accessKeyId, secretAccessKey, region, bucket, prefix, endpoint, partBytes = PART_BYTES } = settings;
  const client = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', retries: RETRIES });

  const urlOf = (name: string, query = '') => {
    const path = [bucket, ...prefix.split('/'), ...name.split('/')]
      .filter((part) => part !== '')
      .map(encodeURIComponent);
    return `${endpoint}/${path.join('/')}${query}`;
  };

  const request = async (method: string, url: string, body?: Uint8Array<ArrayBuffer>): Promise<Response> => {
    const answer = await client.fetch(url, {
      method,
      headers: {
        'x-amz-content-sha256': createHash('sha256')
          .update(body ?? '')
          .digest('hex'),
      },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      ...(body === undefined ? {} : { body }),
    });
    if (answer.ok) return answer;
    const problem = problemOf(await answer.text());
    const message = `${method} ${url} answered ${answer.status}${problem}`;
    throw answer.status === 404 && method === 'GET' ? new ArchiveMissingError(message) : new Error(message);
  };

  const discard = async (answer: Promise<Response>) => {
    await (await answer).body?.cancel();
  };

  const sendParts = async (name: string, first: Part, rest: AsyncIterator<Part>) => {
    const started = await (await request('POST', urlOf(name, '?uploads='))).text();
    const uploadId = tagOf(started, 'UploadId');
    if (uploadId === undefined) throw new Error(`the start of an upload to ${urlOf(name)} was not understood`);
    const upload = `uploadId=${encodeURIComponent(uploadId)}`;
    try {
      const tags: string[] = [];
      for (let part: Part | undefined = first; part !== undefined; part = await nextOf(rest)) {
        const answer = await request('PUT', urlOf(name, `?partNumber=${tags.length + 1}&${upload}`), part);
        tags.push(answer.headers.get('etag') ?? '');
        await answer.body?.cancel();
      }
      const list = tags.map(
        (tag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(tag)}</ETag></Part>`,
      );
      const body = Buffer.from(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`);
      const completed = await (await request('POST', urlOf(name, `?${upload}`), body)).text();
      // AWS may find a fault after it has said 200.
      if (tagOf(completed, 'Code') !== undefined)
        throw new Error(`upload to ${urlOf(name)} failed${problemOf(completed)}`);
    } catch (error) {
      // Parts of an upload that never ends are stored, and paid for, for ever.
      await discard(request('DELETE', urlOf(name, `?${upload}`))).catch(() => undefined); // the first error tells more
      throw error;
    }
  };

  return {
    place: `${endpoint}/${bucket}${prefix === '' ? '' : `/${prefix}`}`,
    async write(name, chunks) {
      const parts = cut(chunks, partBytes);
      const first = (await nextOf(parts)) ?? Buffer.alloc(0);
      if (first.length < partBytes) await discard(request('PUT', urlOf(name), first));
      else await sendParts(name, first, parts);
    },
    async *read(name) {
      const { body } = await request('GET', urlOf(name));
      if (body !== null) yield* body;
    },
    remove: (name) => discard(request('DELETE', urlOf(name))),
  };
}

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
