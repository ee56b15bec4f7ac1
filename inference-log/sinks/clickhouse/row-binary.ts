import { writeIdBytes } from '#core/ids.ts';
import type { InferenceRow } from '../../record.ts';
import { RefusedBatchError } from '../../spool.ts';
import { cleanText } from '../columns.ts';
import type { WireColumn } from './columns.ts';

/**
 * Encodes rows for `FORMAT RowBinary` into one reused buffer (ClickHouse documentation, "RowBinary"; all little-endian):
 * the values of a row one after the other, a string with its length as LEB128 before it, a UUID as two halves of which each
 * is reversed, a DateTime64(3) as its milliseconds, and before a value that may be null a byte that says whether it is.
 *
 * JSONEachRow would carry payloads as base64 inside JSON: a third more bytes, and escaping and parsing on both sides.
 */
export interface RowBinaryBuffer {
  /** A view that the next call overwrites. @throws RefusedBatchError when a column cannot hold a value */
  encode(columns: readonly WireColumn[], rows: readonly InferenceRow[]): Buffer;
}

const START_BYTES = 256 * 1024;
/** A record of many megabytes does not keep as much for ever. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;
/** What a value takes that is neither text nor bytes, with its null byte; a uuid is the longest. */
const MAX_FIXED_BYTES = 17;
const MAX_LENGTH_BYTES = 5;
/** Up to this length a loop over characters beats the call into native code, and the length takes one byte. */
const SHORT_TEXT = 40;
const INT64_BOUND = 2 ** 63;
/** What DateTime64 holds: the years 1900 to 2299. */
const MIN_UNIX_MS = -2_208_988_800_000;
const MAX_UNIX_MS = 10_413_791_999_999;
const HEX = /^([0-9a-f]{2})*$/i;

export function createRowBinaryBuffer(): RowBinaryBuffer {
  let buffer = Buffer.allocUnsafeSlow(START_BYTES);
  let view = new DataView(buffer.buffer);
  let at = 0;

  const reserve = (bytes: number) => {
    if (at + bytes <= buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, at + bytes));
    buffer.copy(larger, 0, 0, at);
    buffer = larger;
    view = new DataView(buffer.buffer);
  };

  const putLength = (bytes: number) => {
    let left = bytes;
    for (; left > 127; left >>>= 7) buffer[at++] = (left & 127) | 128;
    buffer[at++] = left;
  };

  const putBytes = (bytes: Uint8Array) => {
    reserve(MAX_LENGTH_BYTES + bytes.length);
    putLength(bytes.length);
    buffer.set(bytes, at);
    at += bytes.length;
  };

  // hot
  const putText = (text: string) => {
    if (text.length <= SHORT_TEXT && putAscii(text)) return;
    const clean = cleanText(text);
    const bytes = Buffer.byteLength(clean);
    reserve(MAX_LENGTH_BYTES + bytes);
    putLength(bytes);
    buffer.write(clean, at, 'utf8');
    at += bytes;
  };

  /** False, with nothing that counts written, when a character is not plain ASCII or is NUL. */
  const putAscii = (text: string) => {
    reserve(1 + SHORT_TEXT);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === 0 || code > 127) return false;
      buffer[at + 1 + i] = code;
    }
    buffer[at] = text.length;
    at += 1 + text.length;
    return true;
  };

  /** Any integer that a double holds: dividing by 2^32 is exact. */
  const putInt64 = (value: number) => {
    view.setUint32(at, value >>> 0, true);
    view.setInt32(at + 4, Math.floor(value / 0x1_0000_0000), true);
    at += 8;
  };

  const putUuid = (id: string) => {
    writeIdBytes(id, buffer, at);
    buffer.subarray(at, at + 8).reverse();
    buffer.subarray(at + 8, at + 16).reverse();
    at += 16;
  };

  // hot
  const putValue = ({ type, name, nullable, of }: WireColumn, row: InferenceRow) => {
    const value = of(row);
    reserve(MAX_FIXED_BYTES);
    if (nullable) buffer[at++] = value === null ? 1 : 0;
    if (value === null) {
      if (!nullable) throw new RefusedBatchError(`${name} is missing`);
      return;
    }
    switch (type) {
      case 'text':
      case 'jsonb':
        return putText(value as string);
      case 'uuid': // parse-record.ts has seen that it is one
        return putUuid(value as string);
      case 'bigint':
        return putInt64(integer(name, value as number, -INT64_BOUND, INT64_BOUND - 1));
      case 'integer':
        view.setInt32(at, integer(name, value as number, -0x8000_0000, 0x7fff_ffff), true);
        at += 4;
        return;
      case 'smallint':
        view.setInt16(at, integer(name, value as number, -0x8000, 0x7fff), true);
        at += 2;
        return;
      case 'bytea':
        return putBytes(typeof value === 'string' ? hexBytes(name, value) : (value as Uint8Array));
      case 'boolean':
        buffer[at++] = value === true ? 1 : 0;
        return;
      case 'timestamptz':
        return putInt64(integer(name, value as number, MIN_UNIX_MS, MAX_UNIX_MS));
      default:
        return type satisfies never;
    }
  };

  return {
    encode(columns, rows) {
      if (buffer.length > MAX_KEPT_BYTES) {
        buffer = Buffer.allocUnsafeSlow(START_BYTES);
        view = new DataView(buffer.buffer);
      }
      at = 0;
      for (const row of rows) {
        for (const column of columns) putValue(column, row);
      }
      return buffer.subarray(0, at);
    },
  };
}

function integer(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max && value < INT64_BOUND) return value;
  throw new RefusedBatchError(`${name} cannot be ${value}`);
}

function hexBytes(name: string, digits: string): Buffer {
  if (HEX.test(digits)) return Buffer.from(digits, 'hex');
  throw new RefusedBatchError(`${name} is not hexadecimal`);
}
