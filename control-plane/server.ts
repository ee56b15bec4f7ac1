import { OpenAPIHono } from '@hono/zod-openapi';
import type { WholeInferences } from '#store/captured-inferences.ts';
import type { LogRows } from '#store/log-rows.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import type { Db } from '#store/pool.ts';
import type { Authenticator } from './access/authenticate.ts';
import type { Clock } from './clock.ts';
import type { Entropy } from './entropy.ts';
import type { createGroups } from './groups/groups.ts';
import { type ApiEnv, problemAnswer } from './http/answer.ts';
import { buildOpenApiDocument } from './http/openapi.ts';
import { createOperations } from './http/operation.ts';
import type { createKeys } from './keys/keys.ts';
import { Problem } from './problem.ts';
import type { Changes } from './publish/change.ts';
import type { createModels } from './registry/models.ts';
import type { createProviders } from './registry/providers.ts';
import type { createFreezeWindows } from './rollout/freeze-windows.ts';
import type { createRolloutOrders } from './rollout/order-calls.ts';
import type { createRollouts } from './rollout/rollouts.ts';
import { routeDocs } from './routes/docs.ts';
import { type ExperimentDeps, routeExperiments } from './routes/experiments.ts';
import { routeFeedback } from './routes/feedback.ts';
import { routeFreezeWindows } from './routes/freeze-windows.ts';
import { routeGroups } from './routes/groups.ts';
import { routeHealth } from './routes/health.ts';
import { routeKeys } from './routes/keys.ts';
import { routeLedger } from './routes/ledger.ts';
import { routeMetrics } from './routes/metrics.ts';
import { routeModels } from './routes/models.ts';
import { routePlanning } from './routes/planning.ts';
import { routeProviders } from './routes/providers.ts';
import { routeRecords } from './routes/records.ts';
import { routeRollouts } from './routes/rollouts.ts';
import { routeShadows } from './routes/shadows.ts';
import type { EvaluatorAccessDeps } from './shadow/evaluator-access.ts';

export interface AppDeps {
  readonly db: Db;
  readonly authenticator: Authenticator;
  readonly changes: Changes;
  readonly providers: ReturnType<typeof createProviders>;
  readonly models: ReturnType<typeof createModels>;
  readonly groups: ReturnType<typeof createGroups>;
  readonly keys: ReturnType<typeof createKeys>;
  readonly experiments: ExperimentDeps;
  readonly logRows: LogRows;
  /** Where the rows of the log are, if not in PostgreSQL. */
  readonly inferencesElsewhere?: WholeInferences | undefined;
  readonly rollouts: ReturnType<typeof createRollouts>;
  readonly rolloutOrders: ReturnType<typeof createRolloutOrders>;
  readonly freezeWindows: ReturnType<typeof createFreezeWindows>;
  readonly evaluatorAccess: EvaluatorAccessDeps;
  readonly entropy: Entropy;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

/** Builds the control plane's HTTP application: every route, its documentation and the one place for errors. */
export function createApp(deps: AppDeps): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();
  app.use(async (c, next) => {
    c.set('requestId', deps.entropy.id());
    await next();
    c.header('x-content-type-options', 'nosniff');
  });
  app.onError((error, c) => {
    const problem = Problem.from(error);
    if (problem.code === 'internal') deps.log(`request ${c.var.requestId} failed: ${describe(error)}`);
    // The answer does not say where it is, nor all that it said.
    if (error instanceof LogUnavailableError) deps.log(`request ${c.var.requestId} got no answer: ${error.message}`);
    return problemAnswer(c, problem);
  });
  app.notFound((c) => problemAnswer(c, new Problem('not_found', `There is no ${c.req.method} ${c.req.path} here.`)));

  const operations = createOperations({ app, ...deps });
  routeProviders(operations, deps.providers);
  routeModels(operations, deps.models);
  routeGroups(operations, deps.groups);
  routeExperiments(operations, deps.experiments);
  routePlanning(operations, deps);
  routeShadows(operations, deps.clock, deps.evaluatorAccess);
  routeRollouts(operations, deps.rollouts, deps.rolloutOrders);
  routeFreezeWindows(operations, deps.freezeWindows);
  routeMetrics(operations, deps.clock);
  routeKeys(operations, deps.keys);
  routeRecords(operations, deps.inferencesElsewhere);
  routeLedger(operations);
  routeFeedback(operations);
  routeHealth(app, deps.db);
  routeDocs(app, buildOpenApiDocument(app));
  return app;
}

/** The stack, and never the values that a statement carried: PostgreSQL puts those into `detail`, which is left out. */
function describe(error: Error): string {
  return error.stack ?? `${error.name}: ${error.message}`;
}
