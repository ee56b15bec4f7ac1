import { z } from 'zod';

const checkpointSchema = z.object({
  /** The id behind which to go on. */
  after: z.string().nullable(),
  /** When that inference was made. */
  at: z.string().nullable(),
  /** Counted from where this request began. */
  rows: z.int(),
  skipped: z.int(),
  done: z.boolean(),
});
export type Checkpoint = z.infer<typeof checkpointSchema>;

export type Piece =
  | { readonly kind: 'data'; readonly bytes: Buffer }
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint };

const LF = 0x0a;

/**
 * Takes the checkpoint lines out of an export that was asked for with `checkpoints=<word>`. The word is random, so that no row
 * can hold such a line.
 */
export async function* splitCheckpoints(stream: AsyncIterable<Uint8Array>, word: string): AsyncGenerator<Piece> {
  const marker = Buffer.from(`\u001e${word} `);
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    held = held.length === 0 ? Buffer.from(chunk) : Buffer.concat([held, chunk]);
    for (;;) {
      const at = held.indexOf(marker);
      // Without one, the end may still be the beginning of one.
      const dataEnd = at === -1 ? Math.max(0, held.length - marker.length + 1) : at;
      if (dataEnd > 0) yield { kind: 'data', bytes: held.subarray(0, dataEnd) };
      held = held.subarray(dataEnd);
      const lineEnd = at === -1 ? -1 : held.indexOf(LF);
      if (lineEnd === -1) break;
      const json = held.subarray(marker.length, lineEnd).toString('utf8');
      yield { kind: 'checkpoint', checkpoint: checkpointSchema.parse(JSON.parse(json)) };
      held = held.subarray(lineEnd + 1);
    }
  }
  // Behind the last checkpoint comes nothing, so this is part of a row that was cut.
  if (held.length > 0 && held.indexOf(marker) === -1) yield { kind: 'data', bytes: held };
}
