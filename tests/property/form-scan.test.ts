import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { formType, readBoundary, scanForm } from '#core/form-scan.ts';
import { openaiForms } from '#translation/dialects/openai/ingress.ts';
import { spliceBody } from '#translation/dialects/splice-body.ts';

const UPSTREAM = 'gpt-upstream/v1';
const plan = openaiForms.planRequest(['fallbacks']);
const target = { model: null, stream: null, framing: 'sse' } as const;

/** What the gateway sends on; null where it refuses. */
function forward(body: Buffer, contentType: string): { bytes: Buffer; contentType: string; model: string } | null {
  try {
    const request = openaiForms.parseRequest(body, plan, 'transcriptions', target, contentType);
    const form = request.form!;
    const bytes = Buffer.concat(spliceBody(body, request, form.writeModel(UPSTREAM)));
    return { bytes, contentType: form.contentType, model: request.model };
  } catch (reason) {
    if (reason instanceof RingsideError && reason.code === 'bad_request') return null;
    throw reason;
  }
}

/** Node's own parser, which is a browser's. */
async function parse(bytes: Buffer, contentType: string): Promise<[string, string | Buffer][] | null> {
  try {
    const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': contentType } }).formData();
    const parts: [string, string | Buffer][] = [];
    for (const [name, value] of form) {
      parts.push([name, typeof value === 'string' ? value : Buffer.from(await value.arrayBuffer())]);
    }
    return parts;
  } catch {
    return null;
  }
}

/** A careless server: any line end, blanks, any case, every `name=` that it can find, brackets and escapes undone. */
function carelessModels(bytes: Buffer, boundary: string): string[] {
  const quoted = boundary.replaceAll(/[^0-9A-Za-z]/g, (character) => `\\${character}`);
  const delimiter = new RegExp(`(?:^|\r\n|\n|\r)[ \t]*--${quoted}`);
  return bytes
    .toString('latin1')
    .split(delimiter)
    .flatMap((piece) => {
      const end = /\r\n\r\n|\n\n|\r\r/.exec(piece);
      const head = piece.slice(0, end?.index).replaceAll('\\', '');
      const names = [...head.matchAll(/(?:^|[;\s])name(?:\*\d?)?\s*=\s*["']?([^";\r\n]*)/gi)].map((match) => match[1]!);
      const isModel = names.some((name) => /^[\s[]*model(?![a-z_-])/i.test(name));
      return isModel ? [piece.slice((end?.index ?? 0) + (end?.[0].length ?? 0))] : [];
    });
}

interface Part {
  readonly name: string;
  readonly value: Buffer;
  /** Null: a field. */
  readonly file: string | null;
}

const boundaries = fc.oneof(
  fc.stringMatching(/^[0-9A-Za-z'()+_,\-./:=?]{1,70}$/),
  fc.stringMatching(/^----[0-9A-Za-z]{23,60}$/),
  fc.constantFrom('-', '--', 'a', '='.repeat(70)),
);
const parts: fc.Arbitrary<Part> = fc.oneof(
  fc.record({
    name: fc.constantFrom('prompt', 'language', 'timestamp_granularities[]', 'models_note'),
    value: fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
    file: fc.constant(null),
  }),
  fc.record({
    name: fc.constantFrom('file', 'image[]', 'mask'),
    value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    file: fc.constantFrom('a.mp3', 'ä b.png', 'model', ''),
  }),
);
const modelPart = (model: string): Part => ({ name: 'model', value: Buffer.from(model), file: null });

function write(form: readonly Part[], boundary: string): Buffer {
  const pieces = form.flatMap(({ name, value, file }) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"`,
    file === null ? '\r\n\r\n' : `; filename="${file}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    value,
    '\r\n',
  ]);
  return Buffer.concat([...pieces, `--${boundary}--\r\n`].map((piece) => Buffer.from(piece)));
}

const valid = fc
  .record({ before: fc.array(parts), after: fc.array(parts), boundary: boundaries })
  .filter(
    ({ before, after, boundary }) =>
      ![...before, ...after].some(
        ({ value }) =>
          `--${value.toString('latin1')}`.includes(`--${boundary}`) ||
          value.includes(`--${boundary}`) ||
          value.includes('-'),
      ),
  );

describe('a form', () => {
  test('goes on with another model and nothing else changed, whatever its boundary and parts', async () => {
    await fc.assert(
      fc.asyncProperty(valid, async ({ before, after, boundary }) => {
        const form = [...before, modelPart('group'), ...after];
        const sent = forward(write(form, boundary), formType(boundary));
        expect(sent).not.toBeNull();
        const { bytes, contentType, model } = sent!;
        expect(model).toBe('group');
        expect(readBoundary(contentType)).toEqual({ kind: 'boundary', boundary });
        expect(bytes).toEqual(write([...before, modelPart(UPSTREAM), ...after], boundary));
        // It takes boundaries of 27 characters and more.
        if (boundary.length >= 27 && /^[0-9A-Za-z'_-]+$/.test(boundary)) {
          const read = await parse(bytes, contentType);
          expect(read?.filter(([name]) => name === 'model')).toEqual([['model', UPSTREAM]]);
          const expected = [...before, modelPart(UPSTREAM), ...after];
          expect(read?.map(([name]) => name)).toEqual(expected.map(({ name }) => name));
          read?.forEach(([, value], index) => {
            if (typeof value !== 'string') expect(value).toEqual(expected[index]!.value);
          });
        }
      }),
    );
  });

  test('that is tampered with carries no other model past us, for no parser', async () => {
    const boundary = '----boundary0123456789abcdefghij';
    const snippets = [
      ...[
        '\r\n',
        '\n',
        '\r',
        '\r\n\r\n',
        '"',
        '\\',
        ';',
        ' ',
        '\t',
        '\0',
        '%22',
        '--',
        '[]',
        'name="model"',
        '; name=model',
      ],
      ...[`--${boundary}`, `\n--${boundary}\n`, `\r\n--${boundary}\r\n`, `\r\n--${boundary} \r\n`, `--${boundary}--`],
      ...[
        "; name*=utf-8''model",
        '; name*0="mod"; name*1="el"',
        '; filename="a"',
        'Content-Transfer-Encoding: base64\r\n',
      ],
      ...['Content-Disposition: form-data; name="model"\r\n\r\nother', 'Content-Disposition: form-data; name="MODEL"'],
      ...[
        'Content-Type: multipart/mixed; boundary=x\r\n',
        'Content-Disposition: form-data; name="_charset_"\r\n\r\nutf-16',
      ],
      ...['Content-Disposition: form-data; filename="a; name=\\"model"\r\n\r\nother', 'name="model'],
      `\r\n--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nother`,
      `\n--${boundary}\nContent-Disposition: form-data; name="model"\n\nother\n--${boundary}\n`,
    ];
    const edits = fc.array(fc.record({ at: fc.nat(), cut: fc.nat(3), text: fc.constantFrom(...snippets) }), {
      minLength: 1,
      maxLength: 3,
    });
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(parts, { maxLength: 2 }),
        fc.array(parts, { maxLength: 2 }),
        edits,
        async (before, after, changes) => {
          let body = write([...before, modelPart('group'), ...after], boundary);
          for (const { at, cut, text } of changes) {
            const from = at % body.length;
            body = Buffer.concat([body.subarray(0, from), Buffer.from(text), body.subarray(from + cut)]);
          }
          const sent = forward(body, formType(boundary));
          if (sent === null) return;
          accepted++;
          expect(carelessModels(sent.bytes, boundary).map((text) => text.trim())).toEqual([UPSTREAM]);
          const read = await parse(sent.bytes, sent.contentType);
          if (read !== null) expect(read.filter(([name]) => name === 'model')).toEqual([['model', UPSTREAM]]);
        },
      ),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  test('of any bytes gives a verdict and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array(), boundaries, (bytes, boundary) => {
        const body = Buffer.concat([Buffer.from(`--${boundary}\r\n`), bytes]);
        expect(['ok', 'bad']).toContain(scanForm(body, boundary, ['model']).kind);
      }),
    );
  });

  test('whose type is anything gives a boundary, or none', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const reading = readBoundary(`multipart/form-data${text}`);
        if (reading.kind === 'boundary') expect(readBoundary(formType(reading.boundary))).toEqual(reading);
      }),
    );
  });
});
