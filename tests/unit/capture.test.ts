import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { hashBeside } from '#gateway/flow/capture.ts';

test('what is hashed beside the call may be overwritten at once: its memory is used again', async () => {
  const bytes = Buffer.alloc(1_000_000, 'prompt');
  const expected = createHash('sha256').update(bytes).digest('hex');
  const digest = hashBeside(bytes);
  bytes.fill(0);
  expect(await digest).toBe(expected);
});
