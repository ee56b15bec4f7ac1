import type { IncomingMessage } from 'node:http';

/** The largest request body that is read. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

const EMPTY = Buffer.alloc(0);

/** The whole body; `too-large` once it passes 64 MB (the rest is discarded as it comes), `gone` if the client left. */
export function readBody(request: IncomingMessage): Promise<Buffer | 'too-large' | 'gone'> {
  return new Promise((resolve) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) {
        chunks.push(chunk);
      } else {
        chunks = [];
        resolve('too-large');
      }
    });
    request.on('end', () =>
      resolve(chunks.length === 1 ? chunks[0]! : chunks.length === 0 ? EMPTY : Buffer.concat(chunks)),
    );
    request.on('close', () => resolve('gone'));
  });
}
