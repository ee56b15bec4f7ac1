import { createHash } from 'node:crypto';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { ApiDocument } from '../docs/document.ts';
import { renderDocsPage } from '../docs/page.ts';
import { DOCS_STYLE } from '../docs/style.ts';
import type { ApiEnv } from '../http/answer.ts';

/** `/openapi.json` and `/docs`, both made once from the finished document. The page runs no script and loads nothing. */
export function routeDocs(app: OpenAPIHono<ApiEnv>, document: object): void {
  const json = JSON.stringify(document);
  const page = renderDocsPage(JSON.parse(json) as ApiDocument);
  const styleHash = createHash('sha256').update(DOCS_STYLE).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  app.get('/', (c) => c.redirect('/docs'));
  app.get('/openapi.json', (c) => c.body(json, 200, { 'content-type': 'application/json' }));
  app.get('/docs', (c) =>
    c.body(page, 200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy,
      'referrer-policy': 'no-referrer',
    }),
  );
}
