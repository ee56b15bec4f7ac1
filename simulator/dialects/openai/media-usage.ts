import type { Behaviour } from '../../behaviour.ts';

/** The usage of what is billed by tokens of images and sound; undefined where the behaviour sends none. */
export function mediaUsage({ usage }: Behaviour, inputTokens: number, outputTokens: number) {
  if (usage === 'missing') return undefined;
  const on = usage === 'zero' ? 0 : 1;
  return {
    input_tokens: inputTokens * on,
    output_tokens: outputTokens * on,
    total_tokens: (inputTokens + outputTokens) * on,
    input_tokens_details: { text_tokens: inputTokens * on, image_tokens: 0 },
  };
}

/** `count` bytes that are no text in any encoding. */
export function drawBytes(random: () => number, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  for (let at = 0; at < count; at += 4)
    bytes.writeUInt32LE(Math.floor(random() * 0x1_0000_0000), Math.min(at, count - 4));
  if (count > 4) bytes.set([0xff, 0xfb, 0x90, 0x00]);
  return bytes;
}
