import { Problem } from '../problem.ts';

/** The longest body that a control API request may have. */
const MAX_BODY_BYTES = 1_048_576;

/** Reads a whole body, and no more of it than the cap. @throws Problem `body_too_large` or `bad_request` */
export async function readBody(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw new Problem('bad_request', 'The request body ended early.', { cause });
    });
    if (done) return Buffer.concat(chunks);
    size += value.byteLength;
    if (size > MAX_BODY_BYTES) {
      void reader.cancel().catch(() => undefined); // the answer goes out whatever becomes of the rest
      throw tooLarge();
    }
    chunks.push(value);
  }
}

/** Parses a body as JSON. @throws Problem `bad_request` */
export function parseJson(contentType: string | null, body: Uint8Array): unknown {
  const type = contentType?.split(';')[0]?.trim().toLowerCase();
  if (type !== undefined && type !== 'application/json' && !/^application\/[a-z0-9.-]+\+json$/.test(type)) {
    throw new Problem('bad_request', `The body must be JSON ("Content-Type: application/json"), not "${type}".`);
  }
  if (body.byteLength === 0) throw new Problem('bad_request', 'The body is empty; send JSON.');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw new Problem('bad_request', 'The body is not valid JSON in UTF-8.', { cause });
  }
}

function tooLarge(): Problem {
  return new Problem('body_too_large', `The body is longer than ${MAX_BODY_BYTES} bytes.`);
}
