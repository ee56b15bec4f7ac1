import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * The last good configuration on disk, so that a gateway can start with everything else gone. Secrets are in it only as
 * envelopes, keys only as HMACs; the file is private all the same. First line: SHA-256 of the rest.
 */
export async function writeCopy(path: string, value: unknown): Promise<void> {
  const body = JSON.stringify(value);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // Of one's own: a gateway and its successor share the folder for a while.
  const temporary = `${path}.new-${process.pid}`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(`${digest(body)}\n${body}`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

export type Copy =
  | { readonly kind: 'none' }
  | { readonly kind: 'torn'; readonly reason: string }
  | { readonly kind: 'good'; readonly value: unknown };

/** Reads a copy back; a torn or altered one is told apart from none. */
export async function readCopy(path: string): Promise<Copy> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return { kind: 'none' };
    throw error;
  }
  const newline = text.indexOf('\n');
  const body = text.slice(newline + 1);
  if (newline === -1 || text.slice(0, newline) !== digest(body)) {
    return { kind: 'torn', reason: `${path} does not match its checksum` };
  }
  return { kind: 'good', value: JSON.parse(body) };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
