import { type AutocannonResult, runAutocannon } from '../autocannon.ts';
import { absoluteLine, ratioLine } from '../lines.ts';
import { measureInRounds } from '../rounds.ts';
import type { Field, Line, RowFamily } from '../row.ts';
import { chatBody, gatewaysOf, OURS } from '../side.ts';
import { median } from '../statistics.ts';
import { runWrk } from '../wrk.ts';

interface Load {
  readonly row: string;
  readonly what: string;
  readonly promptBytes: number;
  readonly connections: number;
  /** By peer: at least so much of theirs. */
  readonly targets: Readonly<Record<string, number>>;
}

const SMALL: Load = {
  row: 'P1',
  what: 'small chat, 64 connections',
  promptBytes: 1_000,
  connections: 64,
  targets: { nginx: 0.3, portkey: 15 },
};
const LONG: readonly Load[] = [
  {
    row: 'P3',
    what: '100 KB prompt, 16 connections',
    promptBytes: 100_000,
    connections: 16,
    targets: { nginx: 0.3, portkey: 10 },
  },
  {
    row: 'P3',
    what: '1 MB prompt, 16 connections',
    promptBytes: 1_000_000,
    connections: 16,
    targets: { nginx: 0.45, portkey: 10 },
  },
];
/** autocannon's own limit counts as reached when nginx is this much slower by it than by wrk. */
const LIMITED_BELOW = 0.9;

/** P1: small chats, by two load tools. */
export const smallChats: RowFamily = {
  id: 'P1',
  title: 'small chat throughput, by wrk and by autocannon',
  async measure(field) {
    const byWrk = await measureRates(field, SMALL, 'wrk');
    const byAutocannon = await measureRates(field, SMALL, 'autocannon');
    const limit = limitOfAutocannon(byWrk, byAutocannon);
    if (limit !== undefined) field.note(limit);
    const remark = limit === undefined ? undefined : 'autocannon is the limit: judged by wrk';
    return [
      ...linesOf(field, SMALL, 'wrk', byWrk, limit !== undefined, undefined),
      ...linesOf(field, SMALL, 'autocannon', byAutocannon, limit === undefined, remark),
    ];
  },
};

/** P3: long prompts. */
export const longPrompts: RowFamily = {
  id: 'P3',
  title: 'throughput with prompts of 100 KB and 1 MB',
  async measure(field) {
    const lines: Line[] = [];
    for (const load of field.quick ? LONG.slice(0, 1) : LONG)
      lines.push(...linesOf(field, load, 'wrk', await measureRates(field, load, 'wrk'), true, undefined));
    return lines;
  },
};

type Tool = 'wrk' | 'autocannon';
type Rates = ReadonlyMap<string, readonly number[]>;

async function measureRates(field: Field, load: Load, tool: Tool): Promise<Rates> {
  const results = await measureInRounds<AutocannonResult>(field, {
    label: `${load.row} ${load.what}, ${tool}:`,
    targets: gatewaysOf(field),
    run: ({ url, headers, model }, seconds) =>
      (tool === 'wrk' ? runWrk : runAutocannon)({
        ...{ url, headers, seconds, core: field.otherCore, scratch: field.scratch },
        body: chatBody(model, load.promptBytes),
        connections: load.connections,
      }),
    describe: ({ requestsPerS }) => `${requestsPerS.toFixed(0)} req/s`,
    failures: ({ failures }) => failures,
  });
  return new Map([...results].map(([name, runs]) => [name, runs.map(({ requestsPerS }) => requestsPerS)]));
}

function linesOf(
  field: Field,
  load: Load,
  tool: Tool,
  rates: Rates,
  judged: boolean,
  remark: string | undefined,
): Line[] {
  const measurement = (least: number | undefined) => ({
    row: load.row,
    what: `${load.what} (${tool})`,
    unit: 'req/s' as const,
    ours: rates.get(OURS),
    target: !judged || least === undefined ? null : { atLeast: least },
    ...(remark === undefined ? {} : { remark }),
  });
  if (field.peers.length === 0) return [absoluteLine(measurement(undefined))];
  return field.peers.map(({ name }) => ratioLine(measurement(load.targets[name]), name, rates.get(name)));
}

/** Says so when the tool is slower than nginx is: then it measures itself. */
function limitOfAutocannon(byWrk: Rates, byAutocannon: Rates): string | undefined {
  const fast = byWrk.get('nginx');
  const slow = byAutocannon.get('nginx');
  if (fast === undefined || slow === undefined) return undefined;
  const [wrkRate, ownRate] = [median(fast), median(slow)];
  if (ownRate >= LIMITED_BELOW * wrkRate) return undefined;
  return `P1: autocannon reaches ${ownRate.toFixed(0)} req/s against nginx, wrk ${wrkRate.toFixed(0)}: it is the limit, so the targets are judged by wrk`;
}
