import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type Frame, openFrames } from '#gateway/providers/bedrock/event-frames.ts';
import { MAX_EVENT_BYTES } from '#translation/chat/provider.ts';

const PROTOCOL = expect.objectContaining({ code: 'upstream_protocol' });

/** A frame with right checksums, whatever its lengths say. */
function frame(
  headers: Buffer,
  payload: Buffer,
  { total = 16 + headers.length + payload.length, said = headers.length } = {},
) {
  const head = Buffer.alloc(12);
  head.writeUInt32BE(total, 0);
  head.writeUInt32BE(said, 4);
  head.writeUInt32BE(crc32(head.subarray(0, 8)), 8);
  const all = Buffer.concat([head, headers, payload]);
  const end = Buffer.alloc(4);
  end.writeUInt32BE(crc32(all));
  return Buffer.concat([all, end]);
}

function read(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  const stream = openFrames((made) => frames.push(made));
  stream.push(bytes);
  return frames;
}

const NONE = Buffer.alloc(0);

describe('frames with right checksums and lengths that lie', () => {
  test.each([
    ['a frame shorter than a frame can be', frame(NONE, NONE, { total: 15 })],
    ['longer than the limit', frame(NONE, NONE, { total: MAX_EVENT_BYTES + 1 })],
    ['more headers than bytes', frame(NONE, NONE, { said: 1 })],
    ['a name beyond the headers', frame(Buffer.from([9, 0x61]), Buffer.alloc(100))],
    ['a value beyond the headers', frame(Buffer.from([1, 0x61, 7, 0, 50]), Buffer.alloc(100))],
    ['headers that end behind a name', frame(Buffer.from([1, 0x61]), Buffer.alloc(100))],
    ['headers that end inside a length', frame(Buffer.from([1, 0x61, 7, 0]), Buffer.alloc(100))],
    ['an unknown type of header', frame(Buffer.from([1, 0x61, 10, 0]), NONE)],
  ])('%s', (_, bytes) => {
    expect(() => read(bytes)).toThrow(PROTOCOL);
  });

  test('without payload and headers it is one', () => {
    expect(read(frame(NONE, NONE))).toEqual([{ headers: new Map(), payload: NONE }]);
  });

  test('one of exactly the limit is one; what is held before is no more than it', () => {
    const payload = Buffer.alloc(MAX_EVENT_BYTES - 16);
    const bytes = frame(NONE, payload);
    const frames: Frame[] = [];
    const stream = openFrames((made) => frames.push(made));
    for (let at = 0; at < bytes.length; at += 1_000_003) stream.push(bytes.subarray(at, at + 1_000_003));
    expect(frames[0]!.payload.equals(payload)).toBe(true);
    expect(stream.isInside).toBe(false);
  });
});
