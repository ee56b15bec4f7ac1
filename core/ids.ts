import { createHash, randomFillSync } from 'node:crypto';

/**
 * Inference ids are UUIDv7 (RFC 9562, section 5.7) whose `rand_a` field carries 12 bits of the group's hash, so that a
 * look-up by id alone knows the time range and 1/4096 of the groups:
 *
 *     unix_ts_ms (48) | 7 (4) | group hash (12) | 10 (2) | random (62)
 */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

const GROUP_HASH_BITS = 12;
/** What an id carries before its group is known (bad model names, for instance). */
export const NO_GROUP_HASH = 0;

/** Gives 8 random bytes at an offset of a pool; the pool is refilled when it runs out. */
export interface RandomPool {
  take(): { readonly bytes: Uint8Array; readonly offset: number };
  /** 8 random bytes as 16 hexadecimal digits. */
  hex(): string;
}

/** Draws from the operating system 4 KB at a time: one call per 512 ids instead of one per id. */
export function createRandomPool(
  fill: (bytes: Uint8Array) => void = (bytes) => void randomFillSync(bytes),
): RandomPool {
  const bytes = new Uint8Array(4096);
  const slot = { bytes, offset: bytes.length };
  const take = () => {
    slot.offset += 8;
    if (slot.offset >= bytes.length) {
      fill(bytes);
      slot.offset = 0;
    }
    return slot;
  };
  return {
    take,
    hex() {
      const { offset } = take();
      let text = '';
      for (let i = 0; i < 8; i++) text += HEX[bytes[offset + i]!]!;
      return text;
    },
  };
}

/** An id made at `unixMs` (integer milliseconds) for a group hash in [0, 4096). */
export function createInferenceId(unixMs: number, groupHash: number, pool: RandomPool): string {
  const { bytes, offset } = pool.take();
  const high = Math.floor(unixMs / 0x1_0000_0000);
  const low = unixMs >>> 0;
  const r = (i: number) => HEX[bytes[offset + i]!]!;
  return (
    `${HEX[(high >>> 8) & 255]}${HEX[high & 255]}${HEX[low >>> 24]}${HEX[(low >>> 16) & 255]}-` +
    `${HEX[(low >>> 8) & 255]}${HEX[low & 255]}-` +
    `${HEX[0x70 | ((groupHash >>> 8) & 15)]}${HEX[groupHash & 255]}-` +
    `${HEX[0x80 | (bytes[offset]! & 63)]}${r(1)}-${r(2)}${r(3)}${r(4)}${r(5)}${r(6)}${r(7)}`
  );
}

/** The 12 bits of a group id (UUID text) that its inference ids carry. */
export function groupHashOf(groupId: string): number {
  return createHash('sha256').update(groupId).digest().readUInt16BE(0) >>> (16 - GROUP_HASH_BITS);
}

/** The integer Unix milliseconds inside a UUIDv7. */
export function unixMsOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The group hash inside an inference id. */
export function groupHashOfId(id: string): number {
  return Number.parseInt(id.slice(15, 18), 16);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a text is a lower-case UUID of any version. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** Writes an id's 16 bytes at `offset`. */
export function writeIdBytes(id: string, target: Uint8Array, offset: number): void {
  let at = offset;
  for (let i = 0; i < 36; i += 2) {
    if (id.charCodeAt(i) === 45) i++;
    target[at++] = (nibble(id.charCodeAt(i)) << 4) | nibble(id.charCodeAt(i + 1));
  }
}

/** Reads the text of an id from its 16 bytes at `offset`. */
export function readIdBytes(source: Uint8Array, offset: number): string {
  const h = (i: number) => HEX[source[offset + i]!]!;
  return (
    `${h(0)}${h(1)}${h(2)}${h(3)}-${h(4)}${h(5)}-${h(6)}${h(7)}-${h(8)}${h(9)}-` +
    `${h(10)}${h(11)}${h(12)}${h(13)}${h(14)}${h(15)}`
  );
}

function nibble(code: number): number {
  return code < 58 ? code - 48 : (code | 32) - 87;
}
