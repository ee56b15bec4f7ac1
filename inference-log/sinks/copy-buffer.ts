import { writeIdBytes } from '#core/ids.ts';
import type { InferenceRow } from '../record.ts';
import { RefusedBatchError } from '../spool.ts';
import { type Column, cleanText } from './columns.ts';

/**
 * Encodes rows for `COPY … FROM STDIN (FORMAT binary)` into one buffer that is ready for the wire
 * (PostgreSQL 18 documentation, "COPY", binary format, and "Message Formats"; all big-endian):
 *
 *     'd' u32 length | "PGCOPY\n\xff\r\n\0" u32 flags u32 extension | rows: u16 fields, each u32 length and bytes | i16 -1
 *     'c' u32 4
 *
 * A text array of the same values costs both sides their escaping and parsing, and every payload byte two hex digits.
 */
export interface CopyBuffer {
  /** The messages CopyData and CopyDone with these rows: a view that the next call overwrites. @throws RefusedBatchError */
  encode(columns: readonly Column[], rows: readonly InferenceRow[]): Buffer;
}

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const COPY_DONE = Buffer.from('c\0\0\0\x04', 'latin1');
const START_BYTES = 256 * 1024;
/** A record of many megabytes does not keep as much for ever. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;
/** What a field takes that is neither text nor bytes, its length included; a uuid is the longest. */
const MAX_FIXED_FIELD_BYTES = 20;
const MAX_BYTES_OF_CHARACTER = 3;
/** Up to this length a loop over characters beats the call into native code. */
const SHORT_TEXT = 40;
const UNIX_MS_OF_2000 = 946_684_800_000;
const INT64_BOUND = 2 ** 63;
const JSONB_VERSION = 1;
const HEX = /^([0-9a-f]{2})*$/i;

export function createCopyBuffer(): CopyBuffer {
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

  const putBytes = (bytes: Uint8Array) => {
    reserve(4 + bytes.length);
    view.setInt32(at, bytes.length);
    buffer.set(bytes, at + 4);
    at += 4 + bytes.length;
  };

  // hot
  const putText = (text: string, headBytes: number) => {
    reserve(4 + headBytes + text.length * MAX_BYTES_OF_CHARACTER);
    const from = at + 4 + headBytes;
    const written = text.length <= SHORT_TEXT ? putAscii(text, from) : -1;
    const bytes = written === -1 ? buffer.write(cleanText(text), from, 'utf8') : written;
    view.setInt32(at, headBytes + bytes);
    if (headBytes === 1) buffer[at + 4] = JSONB_VERSION;
    at = from + bytes;
  };

  /** Returns -1, with nothing that counts written, when a character is not plain ASCII or is NUL. */
  const putAscii = (text: string, from: number) => {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === 0 || code > 127) return -1;
      buffer[from + i] = code;
    }
    return text.length;
  };

  const putInt16 = (value: number) => {
    view.setInt32(at, 2);
    view.setInt16(at + 4, value);
    at += 6;
  };

  const putInt32 = (value: number) => {
    view.setInt32(at, 4);
    view.setInt32(at + 4, value);
    at += 8;
  };

  /** Any integer that a double holds: dividing by 2^32 is exact. */
  const putInt64 = (value: number) => {
    view.setInt32(at, 8);
    view.setInt32(at + 4, Math.floor(value / 0x1_0000_0000));
    view.setUint32(at + 8, value >>> 0);
    at += 12;
  };

  const putTimestamp = (unixMs: number) => {
    const us = (unixMs - UNIX_MS_OF_2000) * 1_000;
    putInt64(us);
    if (!Number.isSafeInteger(us)) view.setBigInt64(at - 8, BigInt(unixMs - UNIX_MS_OF_2000) * 1_000n);
  };

  // hot
  const putField = ({ type, name, of }: Column, row: InferenceRow) => {
    const value = of(row);
    reserve(MAX_FIXED_FIELD_BYTES);
    if (value === null) {
      view.setInt32(at, -1);
      at += 4;
      return;
    }
    switch (type) {
      case 'text':
        return putText(value as string, 0);
      case 'uuid': // parse-record.ts has seen that it is one
        view.setInt32(at, 16);
        writeIdBytes(value as string, buffer, at + 4);
        at += 20;
        return;
      case 'bigint':
        return putInt64(integer(name, value as number, INT64_BOUND));
      case 'integer':
        return putInt32(integer(name, value as number, 0x8000_0000));
      case 'smallint':
        return putInt16(integer(name, value as number, 0x8000));
      case 'bytea':
        return putBytes(typeof value === 'string' ? hexBytes(name, value) : (value as Uint8Array));
      case 'jsonb':
        return putText(value as string, 1);
      case 'boolean':
        view.setInt32(at, 1);
        buffer[at + 4] = value === true ? 1 : 0;
        at += 5;
        return;
      case 'timestamptz':
        return putTimestamp(value as number);
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
      at = 5;
      buffer.set(SIGNATURE, at);
      at += SIGNATURE.length;
      for (const row of rows) {
        reserve(2);
        view.setInt16(at, columns.length);
        at += 2;
        for (const column of columns) putField(column, row);
      }
      reserve(2 + COPY_DONE.length);
      view.setInt16(at, -1);
      at += 2;
      buffer[0] = 0x64;
      view.setInt32(1, at - 1);
      buffer.set(COPY_DONE, at);
      at += COPY_DONE.length;
      return buffer.subarray(0, at);
    },
  };
}

/** The type's range is [-bound, bound). */
function integer(name: string, value: number, bound: number): number {
  if (Number.isInteger(value) && value >= -bound && value < bound) return value;
  throw new RefusedBatchError(`${name} cannot be ${value}`);
}

function hexBytes(name: string, digits: string): Buffer {
  if (HEX.test(digits)) return Buffer.from(digits, 'hex');
  throw new RefusedBatchError(`${name} is not hexadecimal`);
}
