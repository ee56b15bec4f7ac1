import { readFileSync } from 'node:fs';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import type { InferenceRow } from '#inference-log/record.ts';
import { INFERENCES, PAYLOADS } from '#inference-log/sinks/clickhouse/columns.ts';
import { createRowBinaryBuffer } from '#inference-log/sinks/clickhouse/row-binary.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';
import type { Pair } from '../pair.ts';

const ROWS = 1_000;
const REQUEST_BYTES = 1_000;
const RESPONSE_BYTES = 450;
/** Words of our own prose, in no order: as varied as bodies are, while a text that repeats itself would pack to nothing. */
const WORDS = readFileSync(new URL('../../../docs/production.md', import.meta.url), 'utf8').split(/\s+/);

/** What a batch of chats costs the shipper on its way to ClickHouse: as RowBinary beside JSON, and packed in two ways. */
export function clickhousePairs(): Pair[] {
  const rows = Array.from({ length: ROWS }, (_, index) => rowOf(index));
  const [narrow, wide] = [createRowBinaryBuffer(), createRowBinaryBuffer()];
  const binary = () => [narrow.encode(INFERENCES.columns, rows), wide.encode(PAYLOADS.columns, rows)];
  const batch = Buffer.concat(binary());
  const zstd = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
  return [
    {
      name: 'RowBinary, 1 000 chats',
      bytes: batch.length,
      ours: binary,
      naive: () => json(rows),
      naiveName: 'JSONEachRow, base64',
    },
    {
      name: `zstd of it, to ${share(zstdCompressSync(batch, zstd), batch)}`,
      bytes: batch.length,
      ours: () => zstdCompressSync(batch, zstd),
      naive: () => gzipSync(batch, { level: 1 }),
      naiveName: `gzip, to ${share(gzipSync(batch, { level: 1 }), batch)}`,
    },
  ];
}

function share(packed: Buffer, whole: Buffer): string {
  return `${Math.round((packed.length / whole.length) * 100)} %`;
}

function rowOf(index: number): InferenceRow {
  return {
    ...{
      id: newInferenceId(),
      gatewayId: newInferenceId(),
      begin: beginRecord({ unit: `user-${index}` }),
      end: endRecord(),
    },
    request: body(index, REQUEST_BYTES),
    response: body(index + ROWS, RESPONSE_BYTES),
  };
}

/** Drawn by a linear congruential generator (Numerical Recipes, "quick and dirty"), so that every run packs the same. */
function body(seed: number, bytes: number): Buffer {
  let [state, text] = [seed, ''];
  while (text.length < bytes) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += `${WORDS[(state >>> 8) % WORDS.length]!} `;
  }
  return Buffer.from(text).subarray(0, bytes);
}

function json(rows: readonly InferenceRow[]): Buffer[] {
  return [INFERENCES, PAYLOADS].map(({ columns }) => {
    const lines = rows.map((row) => {
      const values = columns.map(({ name, of }) => {
        const value = of(row);
        return [name, value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value] as const;
      });
      return JSON.stringify(Object.fromEntries(values));
    });
    return Buffer.from(lines.join('\n'));
  });
}
