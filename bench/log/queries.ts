import type { FilledLog } from './fill.ts';

/** One kind of list that is measured. */
export interface LogQuery {
  readonly name: string;
  /** Parameters of `GET /inferences`, drawn anew for each measurement. */
  readonly draw: (draw: Draw) => Record<string, string>;
}

/** What the parameters of a query are drawn from. */
export interface Draw {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** A group's name, by its traffic. */
  readonly group: () => string;
  readonly keyId: () => string;
  /** Taken from a row that is there. */
  readonly sample: () => { readonly traceId: string; readonly unit: string; readonly createdAt: Date };
  readonly nowMs: number;
}

const DAY_MS = 86_400_000;
const since = (draw: Draw, days: number) => new Date(draw.nowMs - days * DAY_MS).toISOString();
const pick = <Item>(draw: Draw, items: readonly Item[]) => items[Math.floor(draw.random() * items.length)]!;

const FILTERS: readonly LogQuery[] = [
  { name: 'nothing', draw: () => ({}) },
  { name: 'assigned variant', draw: () => ({ variant: 'challenger' }) },
  { name: 'assigned variant that none has', draw: () => ({ variant: 'nobody' }) },
  { name: 'served variant', draw: () => ({ servedVariant: 'challenger' }) },
  { name: 'key', draw: ({ keyId }) => ({ key: keyId() }) },
  { name: 'unit', draw: ({ sample }) => ({ unit: sample().unit }) },
  { name: 'status class', draw: () => ({ status: '5xx' }) },
  { name: 'status that none has', draw: () => ({ status: '503' }) },
  { name: 'outcome failed', draw: () => ({ outcome: 'failed' }) },
  { name: 'error code', draw: () => ({ errorCode: 'upstream_rate_limited' }) },
  { name: 'upstream model', draw: () => ({ model: 'gpt-4.1' }) },
  { name: 'operation', draw: () => ({ operation: 'embeddings' }) },
  { name: 'finish reason, 0.2 %', draw: () => ({ finishReason: 'content_filter' }) },
  { name: 'streamed', draw: () => ({ streamed: 'true' }) },
  { name: 'latency ≥ 30 s, 2 %', draw: () => ({ latencyFromMs: '30000' }) },
  { name: 'first token ≥ 1 s', draw: () => ({ firstTokenFromMs: '1000' }) },
  { name: 'input tokens ≥ 20 000', draw: () => ({ inputTokensFrom: '20000' }) },
  { name: 'cost ≥ 1 cent', draw: () => ({ costFromMicroUsd: '10000' }) },
  { name: 'trace id', draw: ({ sample }) => ({ traceId: sample().traceId }) },
  {
    name: 'metadata, one tenant of 1 000',
    draw: (draw) => ({ 'metadata.tenant': `tenant-${Math.floor(draw.random() * 1000)}` }),
  },
  {
    name: 'metadata and failed',
    draw: (draw) => ({ 'metadata.feature': pick(draw, ['chat', 'mail']), outcome: 'failed' }),
  },
  { name: 'since and until, an hour', draw: hour },
  {
    name: 'text, a rare word, ended partitions',
    draw: (draw) => ({ q: `needle${Math.floor(draw.random() * 20)}`, until: since(draw, 7) }),
  },
  { name: 'text, a rare word, everywhere', draw: (draw) => ({ q: `needle${Math.floor(draw.random() * 20)}` }) },
  { name: 'text, a frequent word', draw: (draw) => ({ q: `word${Math.floor(draw.random() * 40)}` }) },
];

const SORTS: readonly LogQuery[] = [
  { name: 'sort by latency', draw: () => ({ sort: 'latency' }) },
  { name: 'sort by tokens', draw: () => ({ sort: 'tokens' }) },
  { name: 'sort by cost', draw: () => ({ sort: 'cost' }) },
];

const named = (query: LogQuery, where: string, add: (draw: Draw) => Record<string, string>): LogQuery => ({
  name: `${query.name} — ${where}`,
  draw: (draw) => ({ ...add(draw), ...query.draw(draw) }),
});

/** Every filter in one group and over all, sorts where they are allowed. */
export const LOG_QUERIES: readonly LogQuery[] = [
  ...FILTERS.map((query) => named(query, 'one group', ({ group }) => ({ group: group() }))),
  ...FILTERS.map((query) => named(query, 'all groups', () => ({}))),
  ...SORTS.map((query) => named(query, 'one group', ({ group }) => ({ group: group() }))),
  ...SORTS.map((query) =>
    named(query, 'one group, one day', (draw) => ({ group: draw.group(), since: since(draw, 1) })),
  ),
  ...SORTS.map((query) => named(query, 'all groups, one day', (draw) => ({ since: since(draw, 1) }))),
];

function hour(draw: Draw): Record<string, string> {
  const fromMs = draw.nowMs - (1 + draw.random() * 20) * DAY_MS;
  return { since: new Date(fromMs).toISOString(), until: new Date(fromMs + 3_600_000).toISOString() };
}

/** Draws that are the same for the same seed: a linear congruential generator (Numerical Recipes). */
export function createDraw(log: FilledLog, samples: readonly ReturnType<Draw['sample']>[], nowMs: number): Draw {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 0x1_0000_0000;
  };
  const rows = log.groups.reduce((sum, group) => sum + group.rows, 0);
  const group = () => {
    let left = random() * rows;
    const chosen = log.groups.find(({ rows: own }) => {
      left -= own;
      return left < 0;
    });
    return (chosen ?? log.groups[0]!).name;
  };
  return {
    random,
    group,
    keyId: () => log.keyIds[Math.floor(random() * log.keyIds.length)]!,
    sample: () => samples[Math.floor(random() * samples.length)]!,
    nowMs,
  };
}
