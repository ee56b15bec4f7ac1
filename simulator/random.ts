/** Gives the next number of a seeded sequence, uniform in [0, 1). */
export type Random = () => number;

const FNV_OFFSET = 0x811c9dc5;

/** FNV-1a over UTF-16 code units, mixed as MurmurHash3 finishes: 32 bits. `basis` chains one hash into the next. */
export function hashText(text: string, basis: number = FNV_OFFSET): number {
  let hash = basis;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * sfc32 (PractRand's small fast counter) started from two hashes of the seed, so that ids drawn from it do not
 * meet after 65 000 requests as they would from 32 bits.
 */
export function createRandom(seed: string): Random {
  let a = hashText(seed);
  let b = hashText(seed, 0x9e3779b9);
  let c = a ^ 0x243f6a88;
  let counter = 1;
  const next = () => {
    const sum = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 0x1_0000_0000;
  };
  for (let round = 0; round < 12; round++) next();
  return next;
}

/** Two uniforms to one standard normal (Box–Muller). Always takes two, so that what follows is not shifted. */
export function drawNormal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** `length` random letters and digits, as providers put into ids. */
export function drawText(random: Random, length: number): string {
  let text = '';
  for (let at = 0; at < length; at++) text += ALPHANUMERIC[Math.floor(random() * ALPHANUMERIC.length)];
  return text;
}
