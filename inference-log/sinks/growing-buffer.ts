import { RefusedBatchError } from '../spool.ts';

const START_BYTES = 256 * 1024;
/** A record of many megabytes does not keep as much for ever. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;
/** Up to this length a loop over characters beats the call into native code. */
export const SHORT_TEXT = 40;
export const INT64_BOUND = 2 ** 63;
const HEX = /^([0-9a-f]{2})*$/i;

/** One buffer that batches are encoded into, each over the one before. Whoever writes reserves first and moves `at` on. */
export class GrowingBuffer {
  bytes = Buffer.allocUnsafeSlow(START_BYTES);
  view = new DataView(this.bytes.buffer);
  /** Where the next byte goes. */
  at = 0;

  /** Begins a batch: what `written` gave out before is overwritten. */
  restart(): void {
    if (this.bytes.length > MAX_KEPT_BYTES) this.#replace(Buffer.allocUnsafeSlow(START_BYTES));
    this.at = 0;
  }

  // hot
  /** Makes sure that `bytes` more fit; `bytes` and `view` may be others afterwards. */
  reserve(bytes: number): void {
    if (this.at + bytes <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + bytes));
    this.bytes.copy(larger, 0, 0, this.at);
    this.#replace(larger);
  }

  // hot
  /** Writes a reserved text at `from` and leaves `at` alone. Returns false, with nothing that counts written, when a character is not plain ASCII or is NUL. */
  writeAscii(text: string, from: number): boolean {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === 0 || code > 127) return false;
      this.bytes[from + i] = code;
    }
    return true;
  }

  written(): Buffer {
    return this.bytes.subarray(0, this.at);
  }

  #replace(bytes: Buffer<ArrayBuffer>): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }
}

/** `value` when it is an integer in [min, max]. @throws RefusedBatchError */
export function integerWithin(column: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max && value < INT64_BOUND) return value;
  throw new RefusedBatchError(`${column} cannot be ${value}`);
}

/** @throws RefusedBatchError when `digits` are not pairs of hexadecimal digits */
export function bytesOfHex(column: string, digits: string): Buffer {
  if (HEX.test(digits)) return Buffer.from(digits, 'hex');
  throw new RefusedBatchError(`${column} is not hexadecimal`);
}
