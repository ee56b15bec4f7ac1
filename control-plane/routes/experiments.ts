import { type AnalysisDeps, listLookPage, showAnalysis } from '../experiments/analysis.ts';
import { type BreakdownDeps, showBreakdown } from '../experiments/breakdown.ts';
import {
  analysisQuerySchema,
  analysisSchema,
  breakdownQuerySchema,
  breakdownSchema,
  experimentQuerySchema,
  experimentSchema,
  experimentSummarySchema,
  looksSchema,
} from '../experiments/experiment-schemas.ts';
import { listExperimentPage, showExperiment } from '../experiments/experiments.ts';
import { showComparison } from '../groups/comparison.ts';
import { comparisonQuerySchema, comparisonSchema } from '../groups/comparison-schemas.ts';
import { showSplit } from '../groups/split-report.ts';
import { splitQuerySchema, splitSchema } from '../groups/split-schemas.ts';
import { noQuerySchema, type Operations } from '../http/operation.ts';
import { pageSchema } from '../paging.ts';
import { pageExample } from './examples.ts';
import {
  ANALYSIS_EXAMPLE,
  BREAKDOWN_EXAMPLE,
  COMPARISON_EXAMPLE,
  EXPERIMENT_EXAMPLE,
  EXPERIMENT_SUMMARY_EXAMPLE,
  LOOKS_EXAMPLE,
  SPLIT_EXAMPLE,
} from './experiment-examples.ts';

export interface ExperimentDeps extends AnalysisDeps, BreakdownDeps {}

/** `/experiments`, and what can be seen of a group's split: `/groups/{name}/comparison`, `/groups/{name}/split`. */
export function routeExperiments(operations: Operations, deps: ExperimentDeps): void {
  const tag = 'experiments';
  operations.read({
    ...{ tag, path: '/experiments', operationId: 'listExperiments', role: 'viewer' },
    summary: 'List experiments, newest first',
    query: experimentQuerySchema,
    answer: pageSchema(experimentSummarySchema),
    example: pageExample(EXPERIMENT_SUMMARY_EXAMPLE),
    handle: async (tx, call) => ({ body: await listExperimentPage(tx, call) }),
  });
  operations.read({
    ...{ tag, path: '/experiments/{id}', operationId: 'getExperiment', role: 'viewer' },
    summary: 'Get an experiment: its definition, its arms and phases, how it stands',
    query: noQuerySchema,
    answer: experimentSchema,
    example: EXPERIMENT_EXAMPLE,
    handle: async (tx, call) => ({ body: await showExperiment(tx, call) }),
  });
  operations.read({
    ...{ tag, path: '/experiments/{id}/analysis', operationId: 'getExperimentAnalysis', role: 'viewer' },
    summary: 'Analyse an experiment: a look as of now, and every look that was kept',
    description:
      'Intervals and p-values of looks hold however often one looks. What stands under `display` holds for a single look only and decides ' +
      'nothing. `limit` and `cursor` page through the looks. Where a look as of now takes longer than 5 s, `look` is the last one that was ' +
      'kept and `stale` says since when; where none was kept, the answer is 503.',
    query: analysisQuerySchema,
    answer: analysisSchema,
    example: ANALYSIS_EXAMPLE,
    handle: async (tx, call) => ({ body: await showAnalysis(tx, call, deps) }),
  });
  operations.read({
    ...{ tag, path: '/experiments/{id}/looks', operationId: 'listExperimentLooks', role: 'viewer' },
    summary: 'List the looks at an experiment that were kept, newest first',
    description: 'As they were made: nothing is computed anew, however many units the experiment has.',
    query: analysisQuerySchema,
    answer: looksSchema,
    example: LOOKS_EXAMPLE,
    handle: async (tx, call) => ({ body: await listLookPage(tx, call) }),
  });
  operations.read({
    ...{ tag, path: '/experiments/{id}/breakdown', operationId: 'getExperimentBreakdown', role: 'viewer' },
    summary: 'Break an experiment down by key, model version or a field of the metadata',
    description:
      'From the rows of the log, by unit; the α of each interval is divided by the number of values. A breakdown that would read more than ' +
      'a million rows, or for longer than 5 s, is a 422 that says how to ask for less.',
    query: breakdownQuerySchema,
    answer: breakdownSchema,
    example: BREAKDOWN_EXAMPLE,
    handle: async (tx, call) => ({ body: await showBreakdown(tx, call, deps) }),
  });
  routeGroupEvidence(operations, deps);
}

function routeGroupEvidence(operations: Operations, deps: ExperimentDeps): void {
  operations.read({
    ...{ tag: 'groups', path: '/groups/{name}/comparison', operationId: 'compareGroup', role: 'viewer' },
    summary: "Compare a group's champion with its challengers, live",
    description:
      'By the experiment that runs; without one, by the rows of the present split. Where a look at the experiment takes longer than 5 s, `look` ' +
      'is the last one that was kept, `stale` says since when, and what it does not know is null or left out.',
    query: comparisonQuerySchema,
    answer: comparisonSchema,
    example: COMPARISON_EXAMPLE,
    handle: async (tx, call) => ({ body: await showComparison(tx, call, deps) }),
  });
  operations.read({
    ...{ tag: 'groups', path: '/groups/{name}/split', operationId: 'getSplitTruth', role: 'viewer' },
    summary: 'Show the configured, the assigned and the served shares by time, and why they differ',
    description:
      'Counts are exact: they were stored with the rows that they count. Reasons also need the rows themselves.',
    query: splitQuerySchema,
    answer: splitSchema,
    example: SPLIT_EXAMPLE,
    handle: async (tx, call) => ({ body: await showSplit(tx, call, deps) }),
  });
}
