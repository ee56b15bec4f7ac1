import type { Keyring } from '#core/envelope.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import { reasonOf } from '#core/reason.ts';
import type { AddressPolicy } from '#core/upstream-address.ts';
import { type ArchiveSettings, createArchiveStorage } from '#inference-log/archive/storage.ts';
import type { ClickHouseAddress } from '#inference-log/sinks/clickhouse/address.ts';
import { createCapturedInClickHouse } from '#inference-log/sinks/clickhouse/captured-in-clickhouse.ts';
import { createClickHouseExpiry } from '#inference-log/sinks/clickhouse/expiry.ts';
import { createClickHouseFinder } from '#inference-log/sinks/clickhouse/find-inferences.ts';
import { createClickHouseRolloutPast } from '#inference-log/sinks/clickhouse/rows/rollout-past.ts';
import { capturedInPostgres } from '#store/captured-in-postgres.ts';
import { seekLeadership } from '#store/leadership.ts';
import { createBreakablePool, createPool, type DatabaseRole } from '#store/pool.ts';
import { POSTGRES_ROLLOUT_PAST } from '#store/postgres-log-rows.ts';
import { stagePairs } from '#store/shadow-sums.ts';
import type { Clock } from '../clock.ts';
import type { Entropy } from '../entropy.ts';
import { observe } from '../experiments/observe.ts';
import { createOutbound } from '../http/outbound.ts';
import { createRolloutEngine, ENGINE_CONNECTIONS } from '../rollout/engine.ts';
import { observeTotals } from '../rollout/observe-totals.ts';
import { createSchemaChecker } from '../shadow/schema-checker.ts';
import { createClickHouseRetentionJob } from './clickhouse-retention.ts';
import { createClosedIndexesJob } from './closed-indexes.ts';
import { createDerivedMetricsJob } from './derived-metrics.ts';
import { createExperimentExpiryJob } from './experiment-expiry.ts';
import { createExpiryJob } from './expiry.ts';
import { createFeedbackExpiryJob, createFeedbackJob } from './feedback.ts';
import { createPartitionsJob } from './partitions.ts';
import { createRetentionJob } from './retention.ts';
import { createRolloutsJob } from './rollouts.ts';
import { sayTrouble } from './say-trouble.ts';
import { runJobs } from './scheduler.ts';
import { createShadowEvaluationsJob } from './shadow-evaluations.ts';
import { createShadowPairsExpiryJob, createShadowPairsJob } from './shadow-pairs.ts';
import { createWebhookJob } from './webhooks.ts';

/** How often what is done. Left out, the defaults below. */
export interface JobTimes {
  readonly leaderRetryMs: number;
  readonly leaderCheckMs: number;
  readonly partitionsMs: number;
  readonly retentionMs: number;
  readonly closedIndexesMs: number;
  readonly expiryMs: number;
  readonly rolloutsMs: number;
  readonly webhooksMs: number;
  readonly feedbackMs: number;
  readonly shadowPairsMs: number;
  readonly derivedMetricsMs: number;
  readonly evaluationsMs: number;
}

export interface LeaderOptions {
  readonly databaseUrl: string;
  readonly archive: ArchiveSettings | undefined;
  /** Where the log's rows are, if not in PostgreSQL. */
  readonly clickhouse: ClickHouseAddress | undefined;
  readonly times: Partial<JobTimes>;
  /** How long after its end an experiment keeps what it knows by unit, at least. */
  readonly experimentUnitDays: number;
  /** Opens what calls to webhooks are signed with. */
  readonly keyring: Keyring;
  /** Of the digests of API keys: evaluators have some. */
  readonly pepper: Uint8Array;
  readonly gatewayUrl: string;
  /** Which private addresses webhooks may have. */
  readonly privateUpstreams: AddressPolicy;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: (line: string) => void;
}

const HOUR_MS = 3_600_000;
const TIMES: JobTimes = {
  leaderRetryMs: 5_000,
  leaderCheckMs: 5_000,
  partitionsMs: HOUR_MS,
  retentionMs: HOUR_MS,
  closedIndexesMs: HOUR_MS,
  expiryMs: HOUR_MS,
  rolloutsMs: 1_000,
  webhooksMs: 1_000,
  feedbackMs: 1_000,
  shadowPairsMs: 1_000,
  derivedMetricsMs: 1_000,
  evaluationsMs: 1_000,
};
/** One for each job. */
const CONNECTIONS = 14;
/** One for each job that works on pairs or on what was captured. */
const PAIRS_CONNECTIONS = 4;
/** The gateway's address is the operator's to name. */
const OWN_GATEWAY: AddressPolicy = { allowsAddress: () => true, allowsHost: () => true };
/** Counting or archiving a page of a large partition is slow and no outage. */
const QUERY_TIMEOUT_MS = 600_000;
/** What is under way of rollouts may take so long at a stop: less than the control plane has for all that it must end. */
const DRAIN_MS = 1_000;
/** For one question about days of rows in ClickHouse. */
const PAST_MS = 300_000;

/**
 * The background jobs of the control plane, of which one process does them at a time.
 * @returns the function that ends them, after what is under way
 */
export function startLeader(options: LeaderOptions): () => Promise<void> {
  const { databaseUrl, archive, clickhouse, times, keyring, pepper, gatewayUrl, privateUpstreams } = options;
  const { clock, entropy, log, experimentUnitDays: unitDays } = options;
  const { leaderRetryMs, leaderCheckMs, ...every } = { ...TIMES, ...times };
  const random = () => Buffer.from(entropy.bytes(4)).readUInt32BE() / 2 ** 32;
  const poolOptions = (role: DatabaseRole, maxConnections: number, what: string) => ({
    ...{ databaseUrl, role, maxConnections, applicationName: `ringside ${what}`, queryTimeoutMs: QUERY_TIMEOUT_MS },
    onConnectionError: (error: Error) => log(`a database connection broke: ${error.message}`),
  });
  const open = (role: DatabaseRole, maxConnections: number, what: string) =>
    createPool(poolOptions(role, maxConnections, what));
  const db = open('leader', CONNECTIONS, 'jobs');
  const rollouts = createBreakablePool(poolOptions('application', ENGINE_CONNECTIONS, 'rollouts'));
  const rolloutsDb = rollouts.db;
  const pairsDb = open('application', PAIRS_CONNECTIONS, 'pairs');
  const checker = createSchemaChecker();
  const outbound = createOutbound({ policy: privateUpstreams });
  const past =
    clickhouse && createClickHouseRolloutPast({ address: clickhouse, limitMs: PAST_MS, nowMs: () => clock.nowMs() });
  const engine = createRolloutEngine({
    ...{ db: rolloutsDb, leaderDb: db, clock, random, log },
    ...{ observe, observeTotals, lookAt, shadowPairs: stagePairs, past: past ?? POSTGRES_ROLLOUT_PAST },
  });
  const storage = archive && createArchiveStorage(archive);
  const expiry = clickhouse && createClickHouseExpiry(clickhouse);
  const finder = clickhouse && createClickHouseFinder(clickhouse);
  const elsewhere = clickhouse && createCapturedInClickHouse(clickhouse);
  const captured = elsewhere === undefined ? capturedInPostgres : sayTrouble(elsewhere, log);
  const retention = { db, everyMs: every.retentionMs, entropy, random, log };
  const pairs = { db: pairsDb, leaderDb: db, captured };
  const comparing = [
    createShadowPairsJob({ ...pairs, checker, everyMs: every.shadowPairsMs, random, log }),
    createDerivedMetricsJob({ ...pairs, checker, everyMs: every.derivedMetricsMs, random, log }),
    createShadowEvaluationsJob({
      ...{ ...pairs, keyring, pepper, entropy, clock, outbound },
      ...{ gatewayUrl, gatewayOutbound: createOutbound({ policy: OWN_GATEWAY }), everyMs: every.evaluationsMs },
    }),
  ];
  const jobs = [
    createPartitionsJob({ db, everyMs: every.partitionsMs, random, log }),
    createRetentionJob({ ...retention, storage }),
    ...(expiry === undefined ? [] : [createClickHouseRetentionJob({ ...retention, expiry })]),
    createClosedIndexesJob({ db, everyMs: every.closedIndexesMs, log }),
    createExpiryJob({ db, clickhouse: expiry, everyMs: every.expiryMs, random, log }),
    createRolloutsJob({ engine, everyMs: every.rolloutsMs }),
    createWebhookJob({
      ...{ db, keyring, outbound, clock, random },
      everyMs: every.webhooksMs,
    }),
    createFeedbackJob({ db, everyMs: every.feedbackMs, random, log, findElsewhere: finder?.find }),
    createFeedbackExpiryJob({ db, everyMs: every.expiryMs, random, log }),
    ...comparing,
    createExperimentExpiryJob({ db, everyMs: every.expiryMs, unitDays, random, log }),
    createShadowPairsExpiryJob({ leaderDb: db, everyMs: every.expiryMs, random, log }),
  ];
  let work = Promise.resolve();
  const leadership = seekLeadership({
    ...{ databaseUrl, random, retryMs: leaderRetryMs, checkMs: leaderCheckMs },
    onElected: (signal) => {
      log('leads the background jobs');
      // A term begins when the work of the one before has ended.
      work = work.then(() => runJobs({ jobs, random, log }, signal));
    },
    onTrouble: (error) => log(`background jobs wait: ${reasonOf(error)}`),
  });
  return async () => {
    await leadership.stop();
    // A look may take minutes; whoever leads next looks again.
    const impatient = setTimeout(() => void rollouts.breakOff(), DRAIN_MS);
    await work.then(() => engine.settle()).finally(() => clearTimeout(impatient));
    past?.close();
    expiry?.close();
    await rolloutsDb.destroy();
    await checker.close();
    await pairsDb.destroy();
    elsewhere?.close();
    finder?.close();
    await db.destroy();
  };
}
