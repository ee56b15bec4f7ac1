import { randomBytes, randomUUID } from 'node:crypto';

/** Where ids, keys, salts and initialisation vectors come from. */
export interface Entropy {
  /** A new UUID. */
  id(): string;
  bytes(count: number): Uint8Array;
}

/** The operating system's generator. */
export const systemEntropy: Entropy = { id: () => randomUUID(), bytes: (count) => randomBytes(count) };
