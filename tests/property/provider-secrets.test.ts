import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { PROVIDER_KINDS } from '#core/names.ts';
import { checkApiKey } from '#core/provider-credentials/check.ts';
import { readTokenAnswer } from '#gateway/upstream/token-grant.ts';

// Whatever is wrong with a key or with an answer that should hold a token: it is said, and nothing of it is repeated.

const CANARY = 'planted-canary';
const VERTEX = 'https://a.example/v1/projects/p/locations/l/publishers/google';
const planted = fc.oneof(
  fc.constant(CANARY),
  fc.string().map((text) => `${text}${CANARY}`),
  fc.jsonValue(),
  fc.constant({ [CANARY]: [CANARY] }),
);
const NAMES = [
  ...['accessKeyId', 'secretAccessKey', 'sessionToken', 'region', 'tenantId', 'clientSecret', 'authorityHost'],
  ...['type', 'client_email', 'private_key', 'token_uri', CANARY],
];
const document = fc.dictionary(fc.constantFrom(...NAMES), planted);
/** Whole, cut off, or with something behind it. */
const text = fc
  .tuple(document, fc.nat(), fc.constantFrom('', CANARY, '}'), fc.boolean())
  .map(([value, length, behind, isCut]) => {
    const json = JSON.stringify(value);
    return (isCut ? json.slice(0, 1 + (length % json.length)) : json) + behind;
  });

test('a key that is refused is not repeated', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...PROVIDER_KINDS),
      fc.constantFrom(VERTEX, 'https://a.example'),
      text,
      (kind, url, key) => {
        const checked = checkApiKey(kind, url, key);
        if (checked.kind === 'invalid') expect(checked.message).not.toContain(CANARY);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('an answer of a token server is a token that can stand in a header and ends, or an error that repeats nothing', () => {
  const answer = fc.oneof(
    text,
    fc
      .record(
        {
          access_token: planted,
          expires_in: fc.oneof(fc.double(), fc.string(), planted),
          token_type: planted,
          error: planted,
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(fc.constantFrom(200, 204, 302, 400, 401, 500), answer, (status, body) => {
      const read = readTokenAnswer(status, Buffer.from(body), 'p');
      if (read instanceof RingsideError) {
        expect(`${read.message} ${String(read.cause)}`).not.toContain(CANARY);
        return;
      }
      expect(status).toBe(200);
      expect(read.value).toMatch(/^[\x21-\x7e]+$/);
      expect(read.lifeMs).toBeGreaterThan(0);
      expect(read.lifeMs).toBeLessThan(Number.POSITIVE_INFINITY);
    }),
    { numRuns: 2_000 },
  );
});
