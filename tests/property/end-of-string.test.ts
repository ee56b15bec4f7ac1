import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createEndOfLongString, loadSkipString } from '#core/body-scan/end-of-string.ts';
import { planScan, scanBody } from '#core/body-scan.ts';
import { assemble, GENERATED } from '#tests/support/assemble-skip-string.ts';

const module = loadSkipString();
const limits = { denseBytes: Number.MAX_SAFE_INTEGER, firstPieceBytes: 64, pieceBytes: 128 };
/** Everything behind the first escaped quote of a string goes through the module, in the smallest pieces. */
const eager = createEndOfLongString(module, limits);
const usual = createEndOfLongString(module);
const plain = createEndOfLongString(null);
const KEYS = ['model', 'stream'];
const plans = [eager, usual, plain].map((read) => planScan(KEYS, 128, read));

/** JSON's own rule, a byte at a time. */
function reference(bytes: Buffer, open: number): number {
  for (let at = open + 1; at < bytes.length; at++) {
    if (bytes[at] === 0x22) return at;
    if (bytes[at] === 0x5c) at++;
  }
  return -1;
}

// Pieces of text whose lengths carry them across the borders of 16, 64 and 128 bytes.
const run = (text: string) => fc.nat(140).map((length) => text.repeat(length));
const piece = fc.oneof(run('\\'), run('\\"'), run('a'), fc.constantFrom('"', '\\"', '\\\\', '\n', 'é', '€😀', ']}'));
const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));

describe('end of a string', () => {
  test('the committed module is what skip-string.wat makes, and it runs here', async () => {
    expect(readFileSync(GENERATED, 'utf8')).toBe(await assemble());
    expect(module).not.toBeNull();
  });

  test('is where JSON has it, with the module and without, whatever the bytes', () => {
    fc.assert(
      fc.property(text, fc.boolean(), (inside, isClosed) => {
        // The escaped quote makes the string dense from its start.
        const bytes = Buffer.from(`"\\"${inside}${isClosed ? '" "x' : ''}`);
        const wanted = reference(bytes, 0);
        for (const read of [eager, usual, plain]) expect(read(bytes, 1)).toBe(wanted);
      }),
      { numRuns: 2000 },
    );
  });

  test('is found behind every length of a run of backslashes that ends at every place of a block', () => {
    for (let before = 0; before <= 130; before++) {
      for (const backslashes of [0, 1, 2, 3, 15, 16, 17, 63, 64, 65, 127, 128, 129]) {
        const bytes = Buffer.from(`"\\"${'a'.repeat(before)}${'\\'.repeat(backslashes)}"b" `);
        expect(eager(bytes, 1)).toBe(reference(bytes, 0));
      }
    }
  });

  test('is not found in what an earlier string left in the staging area', () => {
    const left = Buffer.from(`"\\"${'"'.repeat(200)}`);
    const cut = Buffer.from('"\\"aaaaaaaaaa');
    for (const read of [eager, usual]) {
      expect(read(left, 1)).toBe(3);
      expect(read(cut, 1)).toBe(-1);
    }
  });

  test('is found in strings of several full-sized pieces', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 16_300, max: 16_500 }), (pieces, rest) => {
        const inside = `\\"${'\\\\'.repeat((pieces * 16_384 + rest) >> 1)}${'\\"'.repeat(rest & 1)}`;
        const bytes = Buffer.from(`"${inside}" "`);
        for (const read of [eager, usual, plain]) expect(read(bytes, 1)).toBe(inside.length + 1);
      }),
      { numRuns: 60 },
    );
  });
});

describe('scanBody with long strings', () => {
  const value = fc.oneof(text, fc.array(fc.record({ role: fc.constant('user'), content: text }), { maxLength: 3 }));
  const object = fc.record({ model: text, messages: value, stream: value }, { requiredKeys: ['model'] });

  test('finds what JSON.parse finds, with the module and without', () => {
    fc.assert(
      fc.property(object, fc.constantFrom(0, 2), (body, indent) => {
        const bytes = Buffer.from(JSON.stringify(body, null, indent));
        for (const plan of plans) {
          const result = scanBody(bytes, plan);
          if (result.kind !== 'ok') throw new Error(result.message);
          KEYS.forEach((key, index) => {
            const span = result.spans[index];
            const found = span && (JSON.parse(bytes.toString('utf8', span.start, span.end)) as unknown);
            expect(found).toEqual((body as Record<string, unknown>)[key]);
          });
        }
      }),
    );
  });

  test('gives the same verdict on every cut', () => {
    fc.assert(
      fc.property(object, (body) => {
        const whole = Buffer.from(JSON.stringify(body));
        for (let length = 0; length < whole.length; length++) {
          const [withModule, usualWay, without] = plans.map((plan) => scanBody(whole.subarray(0, length), plan));
          if (without!.kind !== 'bad') throw new Error(`accepted ${length} bytes of ${whole.length}`);
          if (withModule!.kind !== 'bad' || withModule!.message !== without!.message)
            expect(withModule).toEqual(without);
          if (usualWay!.kind !== 'bad' || usualWay!.message !== without!.message) expect(usualWay).toEqual(without);
        }
      }),
      { numRuns: 40 },
    );
  });
});
