import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Frame } from './frame.ts';
import type { ShipItem } from './ship-item.ts';
import { UNKNOWN_GROUP } from './spool.ts';

export const DEAD_LETTER_FOLDER = 'dead-letters';

const TAIL_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** One line of a dead-letter file: the frames as they were found, so that they can be repaired and shipped. */
export interface DeadLetter {
  /** Of the inference. Of a report of feedback `feedback:<organization>:<its id>`; of a call that cannot be read `feedback:<frame>`. */
  readonly id: string;
  readonly spoolId: string;
  readonly gatewayId: string;
  readonly groupId: string;
  readonly reason: string;
  /** Base64, because they may be neither JSON nor UTF-8. */
  readonly frames: readonly { readonly type: Frame['type']; readonly meta: string; readonly payload: string | null }[];
  /** There was no room for them: what `payload` says is not what was captured. */
  readonly withoutPayloads?: true;
}

/** What became of the dropped ones among some items. */
export interface Burial {
  readonly letters: number;
  /** Of those, written without their payloads, for which there was no room. */
  readonly withoutPayloads: number;
  /** The first item, by its place, that could not be put away; none behind it was. */
  readonly failure: { readonly index: number; readonly error: unknown } | undefined;
}

/**
 * Appends the dropped ones among `items` to `<root>/dead-letters/<spoolId>.jsonl`. Called before the commit that passes
 * over them: a crash between the two repeats a line (same id), and never loses one. On a full disk a letter goes without
 * its payloads: shipping is what makes room there, and must not wait for it.
 */
export async function writeDeadLetters(
  root: string,
  spoolId: string,
  gatewayId: string,
  items: readonly ShipItem[],
): Promise<Burial> {
  const dropped = items.flatMap(({ id, frames, content }, index) => {
    if (content.kind !== 'dropped' && content.kind !== 'feedback_dropped') return [];
    const groupId = content.kind === 'dropped' ? content.groupId : UNKNOWN_GROUP;
    const { reason } = content;
    const letter: DeadLetter = { id, spoolId, gatewayId, groupId, reason, frames: frames.map(encode) };
    return [{ index, letter }];
  });
  const [first] = dropped;
  if (first === undefined) return { letters: 0, withoutPayloads: 0, failure: undefined };
  try {
    const folder = join(root, DEAD_LETTER_FOLDER);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(join(folder, `${spoolId}.jsonl`), 'a+', 0o600);
    try {
      return await append(file, dropped);
    } finally {
      await file.close();
    }
  } catch (error) {
    return { letters: 0, withoutPayloads: 0, failure: { index: first.index, error } };
  }
}

interface Dropped {
  readonly index: number;
  readonly letter: DeadLetter;
}

async function append(file: FileHandle, dropped: readonly Dropped[]): Promise<Burial> {
  const before = await cutTornLine(file);
  let size = before;
  let [letters, withoutPayloads] = [0, 0];
  let failure: Burial['failure'];
  for (const { index, letter } of dropped) {
    try {
      size = await appendLine(file, size, letter);
    } catch (error) {
      if (!isForLackOfRoom(error)) {
        failure = { index, error };
        break;
      }
      try {
        size = await appendLine(file, size, bare(letter));
        withoutPayloads++;
      } catch (error) {
        failure = { index, error };
        break;
      }
    }
    letters++;
  }
  try {
    await file.datasync(); // the commit that follows is durable, too
  } catch (error) {
    await file.truncate(before);
    throw error;
  }
  return { letters, withoutPayloads, failure };
}

const NO_ROOM: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/** Also for lack of room in a string: what is captured is twice as long in base64. */
function isForLackOfRoom(error: unknown): boolean {
  return error instanceof RangeError || NO_ROOM.includes((error as { code?: unknown }).code);
}

/** @returns the size of the file behind it */
async function appendLine(file: FileHandle, size: number, letter: DeadLetter): Promise<number> {
  const line = Buffer.from(`${JSON.stringify(letter)}\n`);
  try {
    await file.appendFile(line);
  } catch (error) {
    await file.truncate(size); // half a line would spoil the next one
    throw error;
  }
  return size + line.length;
}

function bare(letter: DeadLetter): DeadLetter {
  return { ...letter, withoutPayloads: true, frames: letter.frames.map((frame) => ({ ...frame, payload: null })) };
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
