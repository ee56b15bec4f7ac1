import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Frame } from './frame.ts';
import type { ShipItem } from './ship-item.ts';

export const DEAD_LETTER_FOLDER = 'dead-letters';

const TAIL_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** One line of a dead-letter file: the frames as they were found, so that they can be repaired and shipped. */
export interface DeadLetter {
  readonly id: string;
  readonly spoolId: string;
  readonly gatewayId: string;
  readonly groupId: string;
  readonly reason: string;
  /** Base64, because they may be neither JSON nor UTF-8. */
  readonly frames: readonly { readonly type: Frame['type']; readonly meta: string; readonly payload: string | null }[];
}

/**
 * Appends the dropped ones among `items` to `<root>/dead-letters/<spoolId>.jsonl`. Called before the commit that passes
 * over them: a crash between the two repeats a line (same id), and never loses one. Returns how many there were.
 * @throws file errors
 */
export async function writeDeadLetters(
  root: string,
  spoolId: string,
  gatewayId: string,
  items: readonly ShipItem[],
): Promise<number> {
  const lines = items.flatMap(({ id, frames, content }) => {
    if (content.kind !== 'dropped') return [];
    const { groupId, reason } = content;
    const letter: DeadLetter = { id, spoolId, gatewayId, groupId, reason, frames: frames.map(encode) };
    return [`${JSON.stringify(letter)}\n`];
  });
  if (lines.length === 0) return 0;
  const folder = join(root, DEAD_LETTER_FOLDER);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = await open(join(folder, `${spoolId}.jsonl`), 'a+', 0o600);
  try {
    const size = await cutTornLine(file);
    try {
      for (const line of lines) await file.appendFile(line);
      await file.datasync(); // the commit that follows is durable, too
    } catch (error) {
      await file.truncate(size); // half a line would spoil the next one
      throw error;
    }
  } finally {
    await file.close();
  }
  return lines.length;
}

/** A process that died while it wrote left half a line, which would spoil the next; its record is among those to be written. */
async function cutTornLine(file: FileHandle): Promise<number> {
  const { size } = await file.stat();
  const tail = Buffer.allocUnsafe(TAIL_BYTES);
  let whole = size;
  while (whole > 0) {
    const from = Math.max(0, whole - TAIL_BYTES);
    const { bytesRead } = await file.read(tail, 0, whole - from, from);
    const newline = tail.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    whole = newline === -1 ? from : from + newline + 1;
    if (newline !== -1) break;
  }
  if (whole < size) await file.truncate(whole);
  return whole;
}

function encode({ type, meta, payload }: Frame): DeadLetter['frames'][number] {
  return { type, meta: base64(meta), payload: payload === null ? null : base64(payload) };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
