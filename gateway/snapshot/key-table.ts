/**
 * API keys in memory that all threads share: an open-addressing hash table from digest to a JSON record. The main thread
 * writes, workers read without a lock. A key change is one slot, so 100 000 keys cost nothing when one of them changes.
 *
 *   slot state:  EMPTY ──insert──▶ LIVE ──revoke──▶ DEAD ──the same key again──▶ LIVE
 *
 * A record is written before its offset, the offset before the state (Atomics order them), so that a reader sees either the
 * old record or the new one, whole.
 */
const EMPTY = 0;
const LIVE = 1;
const DEAD = 2;

const SLOT_INTS = 10; // state, record offset, digest (8)
const DIGEST_INTS = 8;

/** What travels to a worker. A bigger table replaces it when it is full. */
export interface KeyTableBuffers {
  readonly slots: SharedArrayBuffer;
  readonly records: SharedArrayBuffer;
  /** [0]: 1 while the table is known to be current. */
  readonly status: SharedArrayBuffer;
}

/** A key's record, as workers see it. */
export interface KeyRecord {
  readonly id: string;
  readonly organizationId: string;
  /** Null: all groups. */
  readonly groupIds: readonly string[] | null;
  readonly defaultUnit: string | null;
  /** Unix milliseconds; null: never. */
  readonly expiresAt: number | null;
}

export interface KeyChange extends KeyRecord {
  readonly digest: Uint8Array;
  readonly deleted: boolean;
}

/** Where a key was found; `stillHolds` says later, at the price of two loads, whether the record is unchanged. */
export interface KeyHit {
  readonly slot: number;
  readonly recordOffset: number;
  readonly record: KeyRecord;
}

export interface KeyTableReader {
  find(digest: Uint8Array): KeyHit | undefined;
  stillHolds(hit: KeyHit): boolean;
  /** Whether an unknown key is known to be wrong, as opposed to perhaps not having arrived. */
  isCurrent(): boolean;
}

export interface KeyTableWriter {
  readonly buffers: KeyTableBuffers;
  /** Applies a change in place. False when the table is full: then build a bigger one from all keys. */
  apply(change: KeyChange): boolean;
  setCurrent(current: boolean): void;
}

/** A table that holds these keys, with as much room again for changes to come. */
export function createKeyTable(keys: readonly KeyChange[], status = new SharedArrayBuffer(4)): KeyTableWriter {
  const bytes = keys.reduce((sum, key) => sum + recordOf(key).length + RECORD_OVERHEAD, 0);
  const table = allocateKeyTable(Math.max(2 * keys.length, 128), Math.max(2 * bytes, 65_536), status);
  for (const key of keys) {
    if (!table.apply(key)) throw new Error(`a key table for ${keys.length} keys does not hold them`);
  }
  return table;
}

/** Length and alignment beside a record. */
const RECORD_OVERHEAD = 8;

function recordOf({ id, organizationId, groupIds, defaultUnit, expiresAt }: KeyRecord): Buffer {
  return Buffer.from(JSON.stringify({ id, organizationId, groupIds, defaultUnit, expiresAt } satisfies KeyRecord));
}

function allocateKeyTable(keys: number, recordBytes: number, status: SharedArrayBuffer): KeyTableWriter {
  const capacity = 2 ** Math.ceil(Math.log2(keys * 2));
  const buffers: KeyTableBuffers = {
    slots: new SharedArrayBuffer(capacity * SLOT_INTS * 4),
    records: new SharedArrayBuffer(recordBytes),
    status,
  };
  const slots = new Int32Array(buffers.slots);
  const bytes = Buffer.from(buffers.records);
  let used = 0;
  let next = 4; // offset 0 means "none"
  return {
    buffers,
    apply(change) {
      const digest = digestInts(change.digest);
      const at = probe(slots, digest);
      if (at === -1) return false;
      if (change.deleted) {
        if (Atomics.load(slots, at) !== EMPTY) Atomics.store(slots, at, DEAD);
        return true;
      }
      const record = recordOf(change);
      const fresh = slots[at] === EMPTY;
      if (next + 4 + record.length > bytes.length || (fresh && used * 2 >= capacity)) return false;
      bytes.writeUInt32LE(record.length, next);
      record.copy(bytes, next + 4);
      if (fresh) {
        used++;
        slots.set(digest, at + 2);
      }
      Atomics.store(slots, at + 1, next);
      Atomics.store(slots, at, LIVE);
      next += (4 + record.length + 3) & ~3;
      return true;
    },
    setCurrent: (current) => void Atomics.store(new Int32Array(status), 0, current ? 1 : 0),
  };
}

/** A worker's view of the table. */
export function readKeyTable(buffers: KeyTableBuffers): KeyTableReader {
  const slots = new Int32Array(buffers.slots);
  const bytes = Buffer.from(buffers.records);
  const status = new Int32Array(buffers.status);
  return {
    find(digest) {
      const slot = probe(slots, digestInts(digest));
      if (slot === -1 || Atomics.load(slots, slot) !== LIVE) return undefined;
      const recordOffset = Atomics.load(slots, slot + 1);
      const length = bytes.readUInt32LE(recordOffset);
      const record = JSON.parse(bytes.toString('utf8', recordOffset + 4, recordOffset + 4 + length)) as KeyRecord;
      return { slot, recordOffset, record };
    },
    stillHolds: (hit) =>
      Atomics.load(slots, hit.slot) === LIVE && Atomics.load(slots, hit.slot + 1) === hit.recordOffset,
    isCurrent: () => Atomics.load(status, 0) === 1,
  };
}

/** The slot that holds the digest, or the empty one where it would go; -1 when there is neither. */
function probe(slots: Int32Array, digest: Int32Array): number {
  const capacity = slots.length / SLOT_INTS;
  const mask = capacity - 1;
  let index = digest[0]! & mask;
  for (let step = 0; step < capacity; step++) {
    const at = index * SLOT_INTS;
    if (Atomics.load(slots, at) === EMPTY || sameDigest(slots, at + 2, digest)) return at;
    index = (index + 1) & mask;
  }
  return -1;
}

/** Without an early exit: how many words agree must not show in the time taken. */
function sameDigest(slots: Int32Array, at: number, digest: Int32Array): boolean {
  let difference = 0;
  for (let i = 0; i < DIGEST_INTS; i++) difference |= slots[at + i]! ^ digest[i]!;
  return difference === 0;
}

function digestInts(digest: Uint8Array): Int32Array {
  const ints = new Int32Array(DIGEST_INTS);
  new Uint8Array(ints.buffer).set(digest);
  return ints;
}
