import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Frame } from './frame.ts';
import type { ShipItem } from './ship-item.ts';

export const DEAD_LETTER_FOLDER = 'dead-letters';

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
  const file = await open(join(folder, `${spoolId}.jsonl`), 'a', 0o600);
  try {
    const { size } = await file.stat();
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

function encode({ type, meta, payload }: Frame): DeadLetter['frames'][number] {
  return { type, meta: base64(meta), payload: payload === null ? null : base64(payload) };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
