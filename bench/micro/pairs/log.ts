import { FrameBatch } from '#inference-log/frame-batch.ts';
import { beginRecord, endRecord, newInferenceId } from '#tests/support/records.ts';
import type { Pair } from '../pair.ts';

/** What a chat costs to write down: its two frames with checksum, beside two lines of JSON without one. */
export function logPairs(): Pair[] {
  const id = newInferenceId();
  const request = Buffer.from(
    JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'x'.repeat(940) }] }),
  );
  const response = Buffer.from(JSON.stringify({ id: 'c', choices: [{ message: { content: 'y'.repeat(300) } }] }));
  const begin = beginRecord({ requestBytes: request.length });
  const end = endRecord({ responseBytes: response.length });
  const batch = new FrameBatch();
  const line = (record: object, payload: Buffer) =>
    Buffer.from(`${JSON.stringify({ id, ...record, payload: payload.toString('base64') })}\n`);
  return [
    {
      name: 'begin and end frame, 1 KB chat',
      bytes: request.length + response.length,
      ours: () => {
        batch.append('begin', id, JSON.stringify(begin), [request]);
        batch.append('end', id, JSON.stringify(end), [response]);
        const buffers = batch.buffers();
        batch.clear();
        return buffers;
      },
      naive: () => [line(begin, request), line(end, response)],
      naiveName: 'JSON, base64 inside',
    },
  ];
}
