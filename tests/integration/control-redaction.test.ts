import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiClient, startTestControlPlane, type TestControlPlane } from '#tests/support/control-plane.ts';

let control: TestControlPlane;
let api: ApiClient;

beforeAll(async () => {
  control = await startTestControlPlane();
  api = await control.owner('acme');
});
afterAll(() => control.stop());

const withPatterns = (...patterns: string[]) => ({
  name: 'g',
  capture: { redaction: { patterns: patterns.map((pattern, index) => ({ name: `p${index}`, pattern })) } },
});

test.each([
  ['a pattern that is none', withPatterns('a+', '('), 'capture.redaction.patterns[1].pattern', /is no RE2 pattern: /],
  ['a back reference', withPatterns('(a)\\1'), 'capture.redaction.patterns[0].pattern', /is no RE2 pattern/],
  ['one that is too large', withPatterns('.{1000}'), 'capture.redaction.patterns[0].pattern', /is too large/],
  ['one that finds nothing', withPatterns('x*'), 'capture.redaction.patterns[0].pattern', /matches the empty text/],
  [
    'an unknown detector',
    { name: 'g', capture: { redaction: { detectors: ['ssn'] } } },
    'capture.redaction.detectors[0]',
    /./,
  ],
  ['a bad share', { name: 'g', capture: { mode: 'sampled', sampleBp: 10_001 } }, 'capture.sampleBp', /./],
])('%s is refused, and its field named', async (_, body, field, message) => {
  const answer = await api('POST', '/groups', body);
  expect(answer).toMatchObject({ status: 422, body: { field } });
  expect(answer.body.issues[0].message).toMatch(message);
});

test('a policy is kept, changed in part, and published', async () => {
  expect((await api('POST', '/groups', withPatterns('sk-[a-z0-9]{20,}'))).status).toBe(201);
  const patched = await api('PATCH', '/groups/g', {
    capture: { mode: 'sampled', sampleBp: 250, redaction: { detectors: ['card'] } },
  });
  expect(patched.body.capture).toEqual({
    mode: 'sampled',
    maxBytes: 65_536,
    sampleBp: 250,
    redaction: { detectors: ['card'], paths: [], patterns: [{ name: 'p0', pattern: 'sk-[a-z0-9]{20,}' }] },
  });
  const refused = await api('PATCH', '/groups/g', {
    capture: { redaction: { patterns: [{ name: 'x', pattern: '[' }] } },
  });
  expect(refused).toMatchObject({ status: 422, body: { field: 'capture.redaction.patterns[0].pattern' } });
});
