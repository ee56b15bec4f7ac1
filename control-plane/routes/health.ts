import type { OpenAPIHono } from '@hono/zod-openapi';
import { ping } from '#store/health.ts';
import type { Db } from '#store/pool.ts';
import type { ApiEnv } from '../http/answer.ts';

/** `/healthz`: the process runs. `/readyz`: it reaches its database. Neither needs a token nor tells more than that. */
export function routeHealth(app: OpenAPIHono<ApiEnv>, db: Db): void {
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', async (c) => {
    try {
      await ping(db);
      return c.json({ status: 'ready' });
    } catch {
      return c.json({ status: 'unavailable', reason: 'the database does not answer' }, 503, { 'retry-after': '2' });
    }
  });
}
