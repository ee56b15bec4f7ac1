import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeFrame, FRAME_TYPES, type FrameType, MAX_FRAME_BYTES } from '#inference-log/frame.ts';
import { FrameBatch } from '#inference-log/frame-batch.ts';
import { newInferenceId } from '#tests/support/records.ts';

function encode(type: FrameType, id: string, meta: string, payload: readonly Uint8Array[] | null): Buffer {
  const batch = new FrameBatch();
  const bytes = batch.append(type, id, meta, payload);
  const whole = Buffer.concat(batch.buffers());
  expect([whole.length, batch.bytes]).toEqual([bytes, bytes]);
  return whole;
}

const id = newInferenceId();
const types = Object.keys(FRAME_TYPES) as FrameType[];

describe('frames', () => {
  test('come back as they were, with captured pieces joined', () => {
    const chunk = Buffer.from('captured');
    const decoded = decodeFrame(encode('begin', id, '{"a":"é"}', [chunk, Buffer.alloc(0), chunk]), 0);
    if (decoded.kind !== 'frame') throw new Error(decoded.kind);
    expect(decoded.frame).toMatchObject({ type: 'begin', id });
    expect(Buffer.from(decoded.frame.meta).toString()).toBe('{"a":"é"}');
    expect(Buffer.from(decoded.frame.payload!).toString()).toBe('capturedcaptured');
  });

  test('share one buffer, but for large pieces, which are not copied', () => {
    const batch = new FrameBatch();
    const large = Buffer.alloc(100_000, 'x');
    batch.append('begin', id, '{}', [Buffer.from('small')]);
    batch.append('end', id, '{}', [Buffer.from('a'), large, Buffer.from('z')]);
    batch.append('end', id, '{}', null);
    expect(batch.buffers()).toHaveLength(3);
    expect(batch.buffers()[1]).toBe(large);
  });

  test('of a whole batch come back, whatever their sizes, again and again in the same batch', () => {
    const batch = new FrameBatch();
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 8_000, max: 9_000 }).map((bytes) => new Uint8Array(bytes).fill(7)),
    );
    const frame = fc.record({
      type: fc.constantFrom(...types),
      meta: fc.oneof(fc.string({ unit: 'binary' }), fc.constant('é'.repeat(50_000))),
      payload: fc.option(fc.array(piece, { maxLength: 4 })),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), (frames) => {
        batch.clear();
        for (const { type, meta, payload } of frames) batch.append(type, id, meta, payload);
        const bytes = Buffer.concat(batch.buffers());
        let at = 0;
        for (const { type, meta, payload } of frames) {
          const decoded = decodeFrame(bytes, at);
          if (decoded.kind !== 'frame') throw new Error(decoded.kind);
          expect(decoded.frame.type).toBe(type);
          expect(Buffer.from(decoded.frame.meta).equals(Buffer.from(meta))).toBe(true);
          const captured = decoded.frame.payload === null ? null : Buffer.from(decoded.frame.payload);
          expect(captured?.toString('hex')).toBe(payload === null ? undefined : Buffer.concat(payload).toString('hex'));
          at = decoded.next;
        }
        expect(at).toBe(bytes.length);
      }),
      { numRuns: 50 },
    );
  });

  test('tell "captured nothing" from "not captured"', () => {
    const payloadOf = (payload: readonly Uint8Array[] | null) => {
      const decoded = decodeFrame(encode('end', id, '{}', payload), 0);
      return decoded.kind === 'frame' ? decoded.frame.payload : undefined;
    };
    expect(payloadOf(null)).toBeNull();
    expect(payloadOf([])).toHaveLength(0);
  });

  test('that are too large are not begun', () => {
    const batch = new FrameBatch();
    expect(batch.append('end', id, '{}', [Buffer.alloc(MAX_FRAME_BYTES)])).toBe(0);
    expect([batch.bytes, batch.buffers()]).toEqual([0, []]);
  });

  test('follow each other; every cut of the last one is incomplete', () => {
    const frame = fc.record({
      type: fc.constantFrom(...types),
      meta: fc.string({ maxLength: 40, unit: 'binary' }).map((text) => text.toWellFormed()),
      payload: fc.option(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 3 })),
    });
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 4 }), fc.nat(), (frames, cutSeed) => {
        const encoded = frames.map(({ type, meta, payload }) => encode(type, id, meta, payload));
        const whole = Buffer.concat(encoded);
        let at = 0;
        for (const [index, { type, meta, payload }] of frames.entries()) {
          const decoded = decodeFrame(whole, at);
          if (decoded.kind !== 'frame') throw new Error(decoded.kind);
          expect(decoded.frame.type).toBe(type);
          expect(Buffer.from(decoded.frame.meta).toString()).toBe(meta);
          expect(decoded.frame.payload === null).toBe(payload === null);
          if (payload !== null) expect(Buffer.concat(payload).equals(decoded.frame.payload!)).toBe(true);
          expect(decoded.next - at).toBe(encoded[index]!.length);
          at = decoded.next;
        }
        const last = encoded.at(-1)!;
        expect(decodeFrame(last.subarray(0, cutSeed % last.length), 0).kind).toBe('incomplete');
      }),
    );
  });

  test('with any byte changed are never taken for good, and any bytes at all decode to something', () => {
    const good = encode('end', id, '{"status":200}', [Buffer.from('abc')]);
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at] = bad[at]! ^ (1 << (at % 8));
      expect(decodeFrame(bad, 0).kind, `byte ${at}`).not.toBe('frame');
    }
    expect(decodeFrame(Buffer.alloc(4096), 0).kind).toBe('corrupt');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(220), (bytes, at) => {
        expect(decodeFrame(Buffer.from(bytes), Math.min(at, bytes.length)).kind).not.toBe('frame');
      }),
    );
  });
});
