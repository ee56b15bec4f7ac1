import { createHash, randomFillSync } from 'node:crypto';

/**
 * Inference ids are UUIDv7 (RFC 9562, section 5.7) whose `rand_a` field carries 12 bits of the group's hash, so that a
 * look-up by id alone knows the time range and 1/4096 of the groups:
 *
 *     unix_ts_ms (48) | 7 (4) | group hash (12) | 10 (2) | random (62)
 */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

const HEX_DIGITS = '0123456789abcdef';

const GROUP_HASH_BITS = 12;
/** What an id carries before its group is known (bad model names, for instance). */
export const NO_GROUP_HASH = 0;

/** Gives 64 random bits as 16 hexadecimal digits; the pool is refilled when it runs out. */
export interface RandomPool {
  hex(): string;
}

const POOL_BYTES = 4096;
const DIGITS = 16;

/** Draws from the operating system 4 KB at a time and writes them as text at once: 512 draws cost one call and no arithmetic. */
export function createRandomPool(
  fill: (bytes: Uint8Array) => void = (bytes) => void randomFillSync(bytes),
): RandomPool {
  const bytes = Buffer.alloc(POOL_BYTES);
  let text = '';
  let at = 0;
  return {
    hex() {
      if (at === text.length) {
        fill(bytes);
        text = bytes.toString('hex');
        at = 0;
      }
      at += DIGITS;
      return text.slice(at - DIGITS, at);
    },
  };
}

// Many ids are made in one millisecond: its text is kept. Scratch, without influence on the result.
let stampMs = -1;
let stampText = '';

function stamp(unixMs: number): string {
  if (unixMs !== stampMs) {
    const digits = unixMs.toString(16).padStart(12, '0');
    stampText = `${digits.slice(0, 8)}-${digits.slice(8)}-`;
    stampMs = unixMs;
  }
  return stampText;
}

/** An id made at `unixMs` (integer milliseconds) for a group hash in [0, 4096). */
export function createInferenceId(unixMs: number, groupHash: number, pool: RandomPool): string {
  const random = pool.hex();
  // The two bits of the variant, then two random ones of this digit; the next digit of the byte is random as a whole.
  const variant = HEX_DIGITS[8 | (nibble(random.charCodeAt(0)) & 3)]!;
  const group = (0x7000 | groupHash).toString(16);
  return `${stamp(unixMs)}${group}-${variant}${random.slice(1, 4)}-${random.slice(4)}`;
}

/** The 12 bits of a group id (UUID text) that its inference ids carry. */
export function groupHashOf(groupId: string): number {
  return createHash('sha256').update(groupId).digest().readUInt16BE(0) >>> (16 - GROUP_HASH_BITS);
}

/** No UUIDv7 of this millisecond or a later one comes before it. */
export function lowestIdAt(unixMs: number): string {
  const digits = unixMs.toString(16).padStart(12, '0');
  return `${digits.slice(0, 8)}-${digits.slice(8)}-0000-0000-000000000000`;
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
