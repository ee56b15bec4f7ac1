import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestControlPlane, type TestControlPlane } from '#tests/support/control-plane.ts';
import { answerFaults } from '#tests/support/openapi-answers.ts';

let control: TestControlPlane;
// biome-ignore lint/suspicious/noExplicitAny: the test walks a raw OpenAPI document
type Raw = any;
let document: Raw;

beforeAll(async () => {
  control = await startTestControlPlane();
  const response = await fetch(`${control.url}/openapi.json`);
  expect(response.headers.get('content-type')).toBe('application/json');
  document = await response.json();
});
afterAll(() => control.stop());

const ROUTES: Record<string, string[]> = {
  '/providers': ['get', 'post'],
  '/providers/{name}': ['delete', 'get', 'patch'],
  '/models': ['get', 'post'],
  '/models/{name}': ['delete', 'get', 'patch'],
  '/groups': ['get', 'post'],
  '/groups/{name}': ['delete', 'get', 'patch'],
  '/groups/{name}/planner': ['get'],
  '/groups/{name}/replay': ['get'],
  '/groups/{name}/assignment': ['get'],
  '/groups/{name}/variants': ['put'],
  '/groups/{name}/weights': ['patch'],
  '/groups/{name}/comparison': ['get'],
  '/groups/{name}/split': ['get'],
  '/groups/{name}/shadows': ['get'],
  '/groups/{name}/evaluator-secret': ['post'],
  '/experiments': ['get'],
  '/experiments/{id}': ['get'],
  '/experiments/{id}/analysis': ['get'],
  '/experiments/{id}/looks': ['get'],
  '/experiments/{id}/breakdown': ['get'],
  '/groups/{name}/rollback': ['post'],
  '/rollouts': ['get', 'post'],
  '/rollouts/{id}': ['delete', 'get', 'patch'],
  '/rollouts/{id}/transitions': ['get'],
  '/rollouts/{id}/webhooks': ['get'],
  ...Object.fromEntries(
    ['start', 'pause', 'resume', 'skip', 'approve', 'reject', 'abort', 'rollback', 'promote'].map((order) => [
      `/rollouts/{id}/${order}`,
      ['post'],
    ]),
  ),
  '/freeze-windows': ['get', 'post'],
  '/freeze-windows/{id}': ['delete'],
  '/metrics': ['get'],
  '/keys': ['get', 'post'],
  '/keys/{id}': ['delete', 'get', 'patch'],
  '/inferences': ['get'],
  '/inferences/{id}': ['get'],
  '/ledger': ['get'],
  '/ledger/minutes': ['get'],
  '/inferences:export': ['get'],
  '/feedback': ['get'],
  '/gateways': ['get'],
  '/audit': ['get'],
};

test('the OpenAPI document names every route', () => {
  const found = Object.fromEntries(
    Object.entries(document.paths).map(([path, methods]) => [
      path.replace('/api/v1', ''),
      Object.keys(methods as object).sort(),
    ]),
  );
  expect(found).toEqual(ROUTES);
});

test('the OpenAPI document is sound', () => {
  expect(document.openapi).toBe('3.1.0');
  expect(document.components.securitySchemes.adminToken).toMatchObject({ type: 'http', scheme: 'bearer' });
  const tags = new Set(document.tags.map((tag: { name: string }) => tag.name));
  const operationIds = new Set<string>();
  for (const [path, methods] of Object.entries<Record<string, Raw>>(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const at = `${method} ${path}`;
      expect(operationIds.has(operation.operationId), at).toBe(false);
      operationIds.add(operation.operationId);
      expect(
        operation.tags.every((tag: string) => tags.has(tag)),
        at,
      ).toBe(true);
      expect(operation.security, at).toEqual([{ adminToken: [] }]);
      expect(operation.summary, at).toBeTruthy();
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const parameters = (operation.parameters ?? []).filter((each: { in: string }) => each.in === 'path');
      expect(
        parameters.map((each: { name: string }) => each.name),
        at,
      ).toEqual(named);
      expect(
        parameters.every((each: { required: boolean }) => each.required),
        at,
      ).toBe(true);
      const success = Object.keys(operation.responses).filter((status) => status.startsWith('2'));
      expect(success, at).toHaveLength(1);
      for (const [status, response] of Object.entries<Raw>(operation.responses)) {
        expect(response.description, at).toBeTruthy();
        if (status >= '400')
          expect(response.content['application/problem+json'].schema.$ref).toBe('#/components/schemas/Problem');
        else if (status !== '204') expect(Object.values<Raw>(response.content)[0].example, at).toBeDefined();
      }
      if (operation.requestBody) {
        expect(operation.requestBody.content['application/json'].schema, at).toBeTruthy();
        expect(operation.requestBody.content['application/json'].example, at).toBeDefined();
      }
    }
  }
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
    (match) => match[1]!,
  );
  expect(references.length).toBeGreaterThan(20);
  for (const name of references) expect(document.components.schemas).toHaveProperty(name);
  expect(document.components.schemas.CreateProvider.additionalProperties).toBe(false);
  expect(JSON.stringify(document)).not.toContain('"nullable"');
  // A shared schema that may be null: both at once is what null is not.
  expect(JSON.stringify(document)).not.toMatch(/"allOf":\[\{"\$ref":"[^"]+"\},\{"type":\["object","null"\]\}\]/);
  expect(document.components.schemas.GroupComparison.properties.look.anyOf).toEqual([
    { $ref: '#/components/schemas/Look' },
    { type: 'null' },
  ]);
});

test('answers are held against it: a field too much, too few, of another type, and a status that it does not name', () => {
  const at = { method: 'GET', path: '/api/v1/experiments/{id}' };
  const faults = (status: number, body: object) =>
    answerFaults(document, at, { status, contentType: 'application/json', body }).join();
  const example = document.paths[at.path].get.responses['200'].content['application/json'].example;
  expect(faults(200, example)).toBe('');
  expect(faults(200, { ...example, secret: 'x' })).toContain('secret');
  expect(faults(200, { ...example, phases: [{ ...example.phases[0], more: 1 }] })).toContain('more');
  expect(faults(200, { ...example, phase: 'one' })).toContain('/phase');
  const { state: _, ...stateless } = example;
  expect(faults(200, stateless)).toContain('state');
  expect(faults(418, example)).toBe('418 is not documented');
});

test('the docs page shows every operation, runs no script and loads nothing', async () => {
  const response = await fetch(`${control.url}/docs`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/html');
  const page = await response.text();
  for (const [path, methods] of Object.entries(ROUTES)) {
    for (const method of methods)
      expect(page).toContain(`<b class="${method}">${method.toUpperCase()}</b> <code>/api/v1${path}</code>`);
  }
  expect(page).not.toMatch(/<script|<link|<img|style="|src=|@import|url\(/);
  expect([...page.matchAll(/href="([^"]+)"/g)].every((match) => /^[#/]/.test(match[1]!))).toBe(true);
  const style = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? '';
  const policy = response.headers.get('content-security-policy') ?? '';
  expect(policy).toContain(`'sha256-${createHash('sha256').update(style).digest('base64')}'`);
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  const anchors = new Set([...page.matchAll(/id="([^"]+)"/g)].map((match) => match[1]));
  for (const match of page.matchAll(/href="#([^"]+)"/g)) expect(anchors.has(match[1])).toBe(true);
  expect(page).toContain('curl -X PATCH');
});
