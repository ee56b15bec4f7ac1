import { startRingside } from '../../peers/ringside/peer.ts';
import { alternate, compare, type Measured, SERVING_THREADS, type Side, spreadOf } from '../alternating.ts';
import type { Field, Line, RowFamily } from '../row.ts';
import { chatBody } from '../side.ts';
import { spreadRequests } from '../spread.ts';

/** Our reading of "flat": a request costs at most a twentieth more. */
const FLAT = { atLeast: 0.95 } as const;
const CONNECTIONS = 64;
const PROMPT_BYTES = 1_000;
const REFERENCE = '1 group, 1 key';

/** P7: what a request costs with many groups and keys, and what a second worker brings. */
export const scaling: RowFamily = {
  id: 'P7',
  title: 'cost per request with 1 000 groups and 100 000 keys; two workers',
  async measure(field) {
    return [...(await measureTables(field)), ...(await measureWorkers(field))];
  },
};

/** Three gateways of one build: one with a group and a key, one with many groups, one with many keys. */
async function measureTables(field: Field): Promise<Line[]> {
  const counts = field.quick ? { groups: 100, keys: 10_000 } : { groups: 1_000, keys: 100_000 };
  const stops: (() => Promise<void>)[] = [];
  const start = async (variation: { groups?: number; keys?: number }) => {
    const started = await startRingside(field, variation);
    stops.push(() => started.stop());
    return started;
  };
  try {
    const one = await start({});
    field.say(`P7 making ${counts.groups} groups with their tables, which takes a minute or more`);
    const manyGroups = await start({ groups: counts.groups });
    const manyKeys = await start({ keys: counts.keys });
    const groups = `${counts.groups} groups`;
    const keys = `${counts.keys} keys`;
    const keyOf = ({ headers }: { headers: Readonly<Record<string, string>> }) => headers['authorization']!.slice(7);
    const places: readonly [string, typeof one, Place][] = [
      [REFERENCE, one, { place: 'group', values: [one.model] }],
      [`${groups}, requests to one`, manyGroups, { place: 'group', values: manyGroups.groups.slice(0, 1) }],
      [`${groups}, requests to all in turn`, manyGroups, { place: 'group', values: manyGroups.groups }],
      [`${keys}, requests with one`, manyKeys, { place: 'key', values: [keyOf(manyKeys)] }],
      [`${keys}, requests with all in turn`, manyKeys, { place: 'key', values: manyKeys.keys }],
    ];
    const sides: Side[] = [];
    for (const [index, [name, ringside, place]] of places.entries()) {
      const run = await requestsOf(field.scratch, `spread-${index}.txt`, ringside, place);
      sides.push({ name, pid: ringside.pid, threads: SERVING_THREADS, run });
    }
    const results = await alternate(field, 'P7', sides);
    const reference = results.get(REFERENCE)!;
    return sides.slice(1).map(({ name }) => flatLine(name, results.get(name)!, reference));
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** What differs from request to request. */
interface Place {
  readonly place: 'group' | 'key';
  readonly values: readonly string[];
}

async function requestsOf(
  scratch: string,
  file: string,
  target: { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly model: string },
  { place, values }: Place,
): Promise<Side['run']> {
  const { placeholder, lua } = await spreadRequests(scratch, file, values);
  const model = place === 'group' ? placeholder : target.model;
  return {
    url: target.url,
    headers: place === 'key' ? { authorization: `Bearer ${placeholder}` } : target.headers,
    body: chatBody(model, PROMPT_BYTES),
    connections: CONNECTIONS,
    lua,
  };
}

function flatLine(name: string, ours: readonly Measured[], reference: readonly Measured[]): Line {
  const cost = compare(ours, reference, 'requestsPerCpuS');
  const rate = compare(ours, reference, 'requestsPerS');
  return {
    row: 'P7',
    what: `small chat, ${CONNECTIONS} connections, ${name}: requests per CPU second of the serving thread; "flat" read as ≥ ${FLAT.atLeast}`,
    unit: 'req/s',
    ours: cost.ours,
    peer: { name: `Ringside with ${REFERENCE}`, value: cost.theirs },
    compared: cost.ratio,
    target: FLAT,
    remark: `${(1e6 / cost.ours).toFixed(1)} µs a request against ${(1e6 / cost.theirs).toFixed(1)} µs, ${spreadOf(cost, ours.length)}; rate as seen ${rate.ratio.toFixed(2)} ×`,
  };
}

async function measureWorkers(field: Field): Promise<Line[]> {
  const one = await startRingside(field, { workers: 1 });
  try {
    const two = await startRingside(field, { workers: 2 });
    try {
      const sides: Side[] = [];
      for (const [name, ringside] of [['1 worker', one] as const, ['2 workers', two] as const]) {
        const place = { place: 'group', values: [ringside.model] } as const;
        const run = await requestsOf(field.scratch, `${name[0]}-workers.txt`, ringside, place);
        sides.push({ name, pid: ringside.pid, threads: SERVING_THREADS, run });
      }
      const results = await alternate(field, 'P7', sides);
      return workerLines(results.get('2 workers')!, results.get('1 worker')!);
    } finally {
      await two.stop();
    }
  } finally {
    await one.stop();
  }
}

function workerLines(two: readonly Measured[], one: readonly Measured[]): Line[] {
  const rate = compare(two, one, 'requestsPerS');
  const cost = compare(two, one, 'requestsPerCpuS');
  const what = `small chat, ${CONNECTIONS} connections, 2 workers`;
  return [
    {
      row: 'P7',
      what: `${what}: rate as seen`,
      unit: 'req/s',
      ours: rate.ours,
      peer: { name: 'Ringside with 1 worker', value: rate.theirs },
      compared: rate.ratio,
      target: { atLeast: 1.9 },
      remark: `two cores carry workers, load generator, upstream, PostgreSQL: 1.9 × cannot be seen here; ${spreadOf(rate, two.length)}`,
    },
    {
      row: 'P7',
      what: `${what}: requests per CPU second of the serving threads; ≥ 0.95 makes 1.9 × where cores allow`,
      unit: 'req/s',
      ours: cost.ours,
      peer: { name: 'Ringside with 1 worker', value: cost.theirs },
      compared: cost.ratio,
      target: { atLeast: 0.95 },
      remark: `the second worker shares its core with everything else; ${spreadOf(cost, two.length)}`,
    },
  ];
}
