import { writeIdBytes } from '#core/ids.ts';
import type { InferenceRow } from '../record.ts';
import { type Column, cleanText } from './columns.ts';
import { bytesOfHex, GrowingBuffer, INT64_BOUND, integerWithin, SHORT_TEXT } from './growing-buffer.ts';

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
/** What a field takes that is neither text nor bytes, its length included; a uuid is the longest. */
const MAX_FIXED_FIELD_BYTES = 20;
const MAX_BYTES_OF_CHARACTER = 3;
const UNIX_MS_OF_2000 = 946_684_800_000;
const JSONB_VERSION = 1;

export function createCopyBuffer(): CopyBuffer {
  const out = new GrowingBuffer();

  const putBytes = (bytes: Uint8Array) => {
    out.reserve(4 + bytes.length);
    out.view.setInt32(out.at, bytes.length);
    out.bytes.set(bytes, out.at + 4);
    out.at += 4 + bytes.length;
  };

  // hot
  const putText = (text: string, headBytes: number) => {
    out.reserve(4 + headBytes + text.length * MAX_BYTES_OF_CHARACTER);
    const from = out.at + 4 + headBytes;
    const isAscii = text.length <= SHORT_TEXT && out.writeAscii(text, from);
    const bytes = isAscii ? text.length : out.bytes.write(cleanText(text), from, 'utf8');
    out.view.setInt32(out.at, headBytes + bytes);
    if (headBytes === 1) out.bytes[out.at + 4] = JSONB_VERSION;
    out.at = from + bytes;
  };

  const putInt16 = (value: number) => {
    out.view.setInt32(out.at, 2);
    out.view.setInt16(out.at + 4, value);
    out.at += 6;
  };

  const putInt32 = (value: number) => {
    out.view.setInt32(out.at, 4);
    out.view.setInt32(out.at + 4, value);
    out.at += 8;
  };

  /** Any integer that a double holds: dividing by 2^32 is exact. */
  const putInt64 = (value: number) => {
    out.view.setInt32(out.at, 8);
    out.view.setInt32(out.at + 4, Math.floor(value / 0x1_0000_0000));
    out.view.setUint32(out.at + 8, value >>> 0);
    out.at += 12;
  };

  const putTimestamp = (unixMs: number) => {
    const us = (unixMs - UNIX_MS_OF_2000) * 1_000;
    putInt64(us);
    if (!Number.isSafeInteger(us)) out.view.setBigInt64(out.at - 8, BigInt(unixMs - UNIX_MS_OF_2000) * 1_000n);
  };

  // hot
  const putField = ({ type, name, of }: Column, row: InferenceRow) => {
    const value = of(row);
    out.reserve(MAX_FIXED_FIELD_BYTES);
    if (value === null) {
      out.view.setInt32(out.at, -1);
      out.at += 4;
      return;
    }
    switch (type) {
      case 'text':
        return putText(value as string, 0);
      case 'uuid': // parse-record.ts has seen that it is one
        out.view.setInt32(out.at, 16);
        writeIdBytes(value as string, out.bytes, out.at + 4);
        out.at += 20;
        return;
      case 'bigint':
        return putInt64(integerWithin(name, value as number, -INT64_BOUND, INT64_BOUND));
      case 'integer':
        return putInt32(integerWithin(name, value as number, -0x8000_0000, 0x7fff_ffff));
      case 'smallint':
        return putInt16(integerWithin(name, value as number, -0x8000, 0x7fff));
      case 'bytea':
        return putBytes(typeof value === 'string' ? bytesOfHex(name, value) : (value as Uint8Array));
      case 'jsonb':
        return putText(value as string, 1);
      case 'boolean':
        out.view.setInt32(out.at, 1);
        out.bytes[out.at + 4] = value === true ? 1 : 0;
        out.at += 5;
        return;
      case 'timestamptz':
        return putTimestamp(value as number);
      default:
        return type satisfies never;
    }
  };

  return {
    encode(columns, rows) {
      out.restart();
      out.at = 5;
      out.bytes.set(SIGNATURE, out.at);
      out.at += SIGNATURE.length;
      for (const row of rows) {
        out.reserve(2);
        out.view.setInt16(out.at, columns.length);
        out.at += 2;
        for (const column of columns) putField(column, row);
      }
      out.reserve(2 + COPY_DONE.length);
      out.view.setInt16(out.at, -1);
      out.at += 2;
      out.bytes[0] = 0x64;
      out.view.setInt32(1, out.at - 1);
      out.bytes.set(COPY_DONE, out.at);
      out.at += COPY_DONE.length;
      return out.written();
    },
  };
}
