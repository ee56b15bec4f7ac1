import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isUuid } from '#core/ids.ts';
import { claimOwnership, type Ownership } from './ownership.ts';
import type { SpoolPosition } from './spool.ts';

/**
 * The root holds one folder per spool, named by its id, with `meta.json`, the segments `00000001.seg`, … and the owner's socket.
 * Beside them: `.new-<id>` (being made), `.gone-<id>` (being removed) and `dead-letters/`.
 */
export interface SpoolMeta {
  readonly schema: 1;
  readonly spoolId: string;
  readonly gatewayId: string;
  readonly createdMs: number;
}

export interface Segment {
  readonly number: number;
  readonly bytes: number;
}

export const NEW_PREFIX = '.new-';
export const GONE_PREFIX = '.gone-';
const SEGMENT = /^(\d{8,})\.seg$/;

export function segmentName(number: number): string {
  return `${String(number).padStart(8, '0')}.seg`;
}

/** The segment number in a file name; undefined when it is no segment. */
export function segmentNumber(name: string): number | undefined {
  const match = SEGMENT.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function isBefore(a: SpoolPosition, b: SpoolPosition): boolean {
  return a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset);
}

/** Where every spool starts. */
export const SPOOL_START: SpoolPosition = { segment: 1, offset: 0 };

/**
 * Makes a spool folder that the calling thread owns. It gets its name last, so that nobody adopts it half made.
 * `randomId` gives UUIDs.
 */
export async function createSpoolFolder(options: {
  readonly root: string;
  readonly gatewayId: string;
  readonly nowMs: () => number;
  readonly randomId: () => string;
}): Promise<{ spoolId: string; folder: string; release: () => Promise<void> }> {
  const root = resolve(options.root);
  await mkdir(root, { recursive: true, mode: 0o700 });
  for (;;) {
    const spoolId = options.randomId();
    const draft = join(root, NEW_PREFIX + spoolId);
    await mkdir(draft, { mode: 0o700 });
    const ownership = await claimOwnership(draft);
    // A scan took the folder for a leftover of a crash, in the moment between these two lines.
    if (ownership.kind === 'taken') continue;
    const meta: SpoolMeta = { schema: 1, spoolId, gatewayId: options.gatewayId, createdMs: options.nowMs() };
    writeDurably(join(draft, 'meta.json'), JSON.stringify(meta));
    const folder = join(root, spoolId);
    await rename(draft, folder);
    return { spoolId, folder, release: ownership.release };
  }
}

/** The gateway that wrote a spool; undefined when its meta file cannot be read. */
export async function readSpoolGateway(folder: string): Promise<string | undefined> {
  try {
    const meta = JSON.parse(await readFile(join(folder, 'meta.json'), 'utf8')) as Partial<SpoolMeta> | null;
    const gatewayId = meta?.gatewayId;
    return typeof gatewayId === 'string' && isUuid(gatewayId) ? gatewayId : undefined;
  } catch {
    return undefined; // the caller says so; a spool is worth shipping without it
  }
}

/** The segments of a spool in order; undefined when the folder is gone. */
export async function listSegments(folder: string): Promise<Segment[] | undefined> {
  try {
    const numbers = (await readdir(folder)).flatMap((name) => segmentNumber(name) ?? []);
    const segments = await Promise.all(
      numbers.map(async (number) => ({ number, bytes: await sizeOf(join(folder, segmentName(number))) })),
    );
    return segments
      .filter((segment): segment is Segment => segment.bytes !== undefined)
      .sort((a, b) => a.number - b.number);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** How many bytes of a spool lie behind a position; all of them when there is none yet. */
export async function bytesBehind(folder: string, position: SpoolPosition = SPOOL_START): Promise<number> {
  const segments = (await listSegments(folder)) ?? [];
  return segments.reduce((sum, { number, bytes }) => {
    if (number < position.segment) return sum;
    return sum + Math.max(0, number === position.segment ? bytes - position.offset : bytes);
  }, 0);
}

/** Removes the segments that lie wholly before a position. */
export async function removeSegmentsBefore(folder: string, position: SpoolPosition): Promise<void> {
  for (const { number } of (await listSegments(folder)) ?? []) {
    if (number < position.segment) await rm(join(folder, segmentName(number)), { force: true });
  }
}

/** Removes a spool. It is renamed first, so that nobody can claim what is half removed. */
export async function removeSpoolFolder(root: string, spoolId: string): Promise<void> {
  const gone = join(root, GONE_PREFIX + spoolId);
  try {
    await rename(join(root, spoolId), gone);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  await rm(gone, { recursive: true, force: true });
}

/** Whether a file operation failed because the file or its folder is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === 'ENOENT';
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function writeDurably(path: string, text: string): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export type OwnedFolder = Extract<Ownership, { kind: 'owned' }>;
