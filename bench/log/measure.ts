import { inferenceQuerySchema } from '#control-plane/inferences/inference-query.ts';
import { listInferencePage } from '#control-plane/inferences/inferences.ts';
import { Problem } from '#control-plane/problem.ts';
import { type Db, inOrganization } from '#store/pool.ts';
import { percentile } from '../load/statistics.ts';
import { createCpuClock } from './cpu-clock.ts';
import type { Draw, LogQuery } from './queries.ts';

/** What one kind of list took. */
export interface Measured {
  readonly name: string;
  readonly runs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** CPU time of server and client: the same without who else uses the machine. */
  readonly cpuP50Ms: number;
  readonly cpuP95Ms: number;
  /** Mean number of rows on the page. */
  readonly rows: number;
  /** Runs that ended at the time limit, with the answer that says how to ask for less. */
  readonly refused: number;
}

/** No kind of list is measured for longer. */
const MAX_TOTAL_MS = 25_000;
const WARM_UPS = 2;
/** A page as the API gives it unless told otherwise. */
const PAGE = '50';

/** Runs a kind of list as the control plane does: one transaction under row-level security, names looked up. */
export async function measureQuery(
  db: Db,
  organizationId: string,
  { name, draw: parametersOf }: LogQuery,
  draw: Draw,
  runs: number,
): Promise<Measured> {
  const times: number[] = [];
  const cpuTimes: number[] = [];
  const cpuMs = await createCpuClock(db);
  let [rows, refused] = [0, 0];
  const startMs = performance.now();
  for (let run = -WARM_UPS; run < runs; run++) {
    const query = inferenceQuerySchema.parse({ limit: PAGE, ...parametersOf(draw) });
    const [beganMs, beganCpuMs] = [performance.now(), cpuMs()];
    const found = await inOrganization(db, organizationId, (tx) =>
      listInferencePage(tx, { organizationId, ref: '', query }, false),
    ).catch((error: unknown) => {
      if (!(error instanceof Problem) || error.issues[0]?.field !== 'since') throw error;
      return undefined;
    });
    if (run >= 0) {
      times.push(performance.now() - beganMs);
      cpuTimes.push(cpuMs() - beganCpuMs);
      rows += found?.items.length ?? 0;
      if (found === undefined) refused++;
    }
    if (performance.now() - startMs > MAX_TOTAL_MS && times.length > 0) break;
  }
  return {
    name,
    runs: times.length,
    p50Ms: percentile(times, 50),
    p95Ms: percentile(times, 95),
    cpuP50Ms: percentile(cpuTimes, 50),
    cpuP95Ms: percentile(cpuTimes, 95),
    rows: rows / times.length,
    refused,
  };
}
