import { expect, test } from 'vitest';
import { scrub } from '#translation/wires/scrub.ts';

test.each([
  ['key sk-secret-1 is bad', 'key [redacted] is bad'],
  ['dial tcp 10.1.2.3:8000: refused', 'dial tcp [redacted] refused'],
  ['see http://vllm:8000/v1/chat', 'see http:[redacted]/v1/chat'],
  ['http://user:pw@db/x', 'http:[redacted]@db/x'],
  ['lookup db.prod.svc.cluster.local: no such host', 'lookup [redacted] no such host'],
  ['ip-10-0-0-1.ec2.internal failed.', '[redacted] failed.'],
  ['at 192.168.0.1, 172.16.0.1, 169.254.169.254, 100.64.0.1', 'at [redacted], [redacted], [redacted], [redacted]'],
  ['[::1]:8000 and fd00:1::2', '[[redacted]]:8000 and [redacted]'],
])('%j becomes %j', (said, expected) => {
  expect(scrub(said, ['sk-secret-1'])).toBe(expected);
});

test.each([
  'messages.0.content: Input should be a valid string',
  'See https://platform.openai.com/docs/guides/error-codes.',
  'max_tokens:4096 is above 10.5',
  "The model 'llama-3.1:70b' does not exist",
  'version 8.8.8.8, 172.32.0.1 and 12:30:00',
  '"local" is no role; an internal error',
])('%j is left as it is', (said) => {
  expect(scrub(said, [])).toBe(said);
});
