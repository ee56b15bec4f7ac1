import { expect, test } from 'vitest';
import { ADAPTERS } from '#gateway/providers/registry.ts';

const isForeign = ADAPTERS.openai.natives['openai-responses']!.isForeign!;

test.each([
  ['{"input":[{"type":"reasoning","encrypted_content":"rs1.anthropic.x"}]}', true],
  ['{"input":[{"encrypted_content" :\n "rs1r.anthropic.x"}]}', true],
  ['{"input":[{"text":"rs1.anthropic.x"},{"encrypted_content":"rs1c.google.Yw.x"}]}', true],
  ['{"input":[{"encrypted_content":"gAAAA"}]}', false],
  ['{"input":"rs1.anthropic.x"}', false],
  ['{"input":"\\"encrypted_content\\":\\"rs1."}', false],
])('%s holds foreign thoughts: %s', (body, expected) => {
  expect(isForeign(Buffer.from(body))).toBe(expected);
});

test('Gemini has them in base64', () => {
  const isMarked = ADAPTERS.google.natives.gemini!.isForeign!;
  const packed = Buffer.from('rs1.anthropic.x').toString('base64');
  for (const name of ['thoughtSignature', 'thought_signature']) {
    expect(isMarked(Buffer.from(`{"contents":[{"parts":[{"text":"","${name}": "${packed}"}]}]}`))).toBe(true);
  }
  expect(isMarked(Buffer.from(`{"contents":[{"parts":[{"text":"${packed}"}]}]}`))).toBe(false);
});
