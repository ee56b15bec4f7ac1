import { join } from 'node:path';
import { startGatewayProcess } from '../../peers/ringside/gateway-process.ts';
import { GROUP, type Installation, startInstallation, VARIANTS } from '../../peers/ringside/installation.ts';
import { freePort } from '../processes.ts';
import type { Field, Line, RowFamily } from '../row.ts';
import { missed, runScheduled } from '../scheduled.ts';
import { chatBody } from '../side.ts';
import { percentile } from '../statistics.ts';
import { startVersionProbe, type VersionProbe } from '../version-probe.ts';

const GATEWAYS = 2;
/** A constant load beside the probes, each gateway's own. */
const REQUESTS_PER_S = 500;
const CONNECTIONS = 16;
const PROMPT_BYTES = 1_000;
const LOAD_S = 25;
const QUICK_LOAD_S = 4;
/** By then the load tools have opened their connections and send. */
const LOAD_UNDER_WAY_MS = 1_500;
/** Between two changes, so that each one finds the gateways at rest. */
const BETWEEN_CHANGES_MS = 100;
/** A change that a gateway does not serve by then counts as one that took so long. */
const GIVE_UP_MS = 10_000;

/** P10: how soon a change of weights is served everywhere, and whether a request fails meanwhile. */
export const change: RowFamily = {
  id: 'P10',
  title: 'a weight change until every gateway serves it, under load',
  async measure(field) {
    const { upstreamUrl, otherCore: core, scratch } = field;
    const folder = join(scratch, `ringside-${await freePort()}`);
    const installation = await startInstallation({ folder, upstreamUrl, core });
    const stops: (() => Promise<void>)[] = [() => installation.stop()];
    try {
      const layout = { workerCores: [field.core], otherCore: field.otherCore };
      const urls: string[] = [];
      const probes: VersionProbe[] = [];
      for (let index = 0; index < GATEWAYS; index++) {
        const gateway = await startGatewayProcess(installation, layout);
        stops.push(() => gateway.stop());
        const probe = await startVersionProbe(gateway);
        stops.push(() => probe.stop());
        urls.push(gateway.url);
        probes.push(probe);
      }
      return await measureChanges(field, installation, urls, probes);
    } finally {
      for (const stop of stops.reverse()) await stop();
    }
  },
};

async function measureChanges(
  field: Field,
  installation: Installation,
  urls: readonly string[],
  probes: readonly VersionProbe[],
): Promise<Line[]> {
  const load = startLoad(field, installation, urls);
  const servedMs: number[] = [];
  const answeredMs: number[] = [];
  try {
    await new Promise((wake) => setTimeout(wake, LOAD_UNDER_WAY_MS));
    for (let made = 0; !load.ended(); made++) {
      await new Promise((wake) => setTimeout(wake, BETWEEN_CHANGES_MS));
      const { servedAfterMs, answeredAfterMs } = await changeOnce(installation, probes, made);
      if (load.ended()) break; // not wholly under load
      servedMs.push(servedAfterMs);
      answeredMs.push(answeredAfterMs);
    }
  } finally {
    await load.totals.catch(() => undefined); // it must not go on beside the next measurement
  }
  const totals = await load.totals;
  for (const probe of probes) {
    totals.requests += probe.answered + probe.failed;
    totals.failures += probe.failed;
  }
  field.say(`P10 ${servedMs.length} changes, ${totals.requests} requests, ${totals.failures} failed`);
  return linesOf(servedMs, answeredMs, totals);
}

/** Moves the weights one step and waits until each gateway has answered with the new version. */
async function changeOnce(installation: Installation, probes: readonly VersionProbe[], made: number) {
  const before = Math.max(...probes.map((probe) => probe.version));
  const weightBp = made % 2 === 0 ? 8_000 : 9_000;
  const weights = [weightBp, 10_000 - weightBp];
  const sentAt = performance.now();
  const seen = probes.map((probe) => probe.firstAfter(before, GIVE_UP_MS));
  const put = installation
    .api(
      'PUT',
      `/groups/${GROUP}/variants`,
      VARIANTS.map((variant, index) => ({ ...variant, weightBp: weights[index] })),
    )
    .then(() => performance.now() - sentAt);
  const [answeredAfterMs, ...seenAt] = await Promise.all([put, ...seen]);
  return { servedAfterMs: Math.max(...seenAt) - sentAt, answeredAfterMs };
}

interface Totals {
  requests: number;
  failures: number;
}

/** Loads every gateway on schedule, for as long as changes are made. */
function startLoad(field: Field, { key }: Installation, urls: readonly string[]) {
  let ended = false;
  const runs = urls.map((url) =>
    runScheduled({
      ...{ url, headers: { authorization: `Bearer ${key}` }, body: chatBody(GROUP, PROMPT_BYTES) },
      ...{ connections: CONNECTIONS, pace: { kind: 'constant', requestsPerS: REQUESTS_PER_S } },
      ...{ seconds: field.quick ? QUICK_LOAD_S : LOAD_S, core: field.otherCore, scratch: field.scratch },
    }),
  );
  const finished = Promise.all(runs).finally(() => {
    ended = true;
  });
  const totals = finished.then(
    (results): Totals => ({
      requests: results.reduce((sum, { scheduled }) => sum + scheduled, 0),
      failures: results.reduce((sum, result) => sum + missed(result), 0),
    }),
  );
  totals.catch(() => undefined); // whoever waits for it sees it
  return { ended: () => ended, totals };
}

function linesOf(servedMs: readonly number[], answeredMs: readonly number[], { requests, failures }: Totals): Line[] {
  const what = `weight change served by ${GATEWAYS} of ${GATEWAYS} gateways under ${GATEWAYS} × ${REQUESTS_PER_S} req/s`;
  const line = { row: 'P10', peer: null } as const;
  const [p50, p99] = [percentile(servedMs, 50), percentile(servedMs, 99)];
  const failedPercent = (100 * failures) / requests;
  return [
    { ...line, what: `${what}, p50`, unit: 'ms', ours: p50, compared: null, target: null },
    {
      ...line,
      what: `${what}, p99`,
      unit: 'ms',
      ours: p99,
      compared: p99,
      target: { atMost: 200 },
      remark: `${servedMs.length} changes, from sending the change to the first answer with its version from the later gateway, asked every few ms; the control API's own answer, which waits for the gateways: p50 ${percentile(answeredMs, 50).toFixed(1)} ms, p99 ${percentile(answeredMs, 99).toFixed(1)} ms`,
    },
    {
      ...line,
      what: 'requests that failed during these changes',
      unit: '%',
      ours: failedPercent,
      compared: failedPercent,
      target: { atMost: 0 },
      remark: `${failures} of ${requests}`,
    },
  ];
}
