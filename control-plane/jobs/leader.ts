import { reasonOf } from '#core/reason.ts';
import { type ArchiveSettings, createArchiveStorage } from '#inference-log/archive/storage.ts';
import type { ClickHouseAddress } from '#inference-log/sinks/clickhouse/address.ts';
import { createClickHouseExpiry } from '#inference-log/sinks/clickhouse/expiry.ts';
import { createClickHouseFinder } from '#inference-log/sinks/clickhouse/find-inferences.ts';
import { seekLeadership } from '#store/leadership.ts';
import { createPool } from '#store/pool.ts';
import type { Entropy } from '../entropy.ts';
import { createClickHouseRetentionJob } from './clickhouse-retention.ts';
import { createClosedIndexesJob } from './closed-indexes.ts';
import { createExpiryJob } from './expiry.ts';
import { createFeedbackExpiryJob, createFeedbackJob } from './feedback.ts';
import { createPartitionsJob } from './partitions.ts';
import { createRetentionJob } from './retention.ts';
import { runJobs } from './scheduler.ts';

/** How often what is done. Left out, the defaults below. */
export interface JobTimes {
  readonly leaderRetryMs: number;
  readonly leaderCheckMs: number;
  readonly partitionsMs: number;
  readonly retentionMs: number;
  readonly closedIndexesMs: number;
  readonly expiryMs: number;
  readonly feedbackMs: number;
}

export interface LeaderOptions {
  readonly databaseUrl: string;
  readonly archive: ArchiveSettings | undefined;
  /** Where the log's rows are, if not in PostgreSQL. */
  readonly clickhouse: ClickHouseAddress | undefined;
  readonly times: Partial<JobTimes>;
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
  feedbackMs: 1_000,
};
/** One for each job. */
const CONNECTIONS = 7;
/** Counting or archiving a page of a large partition is slow and no outage. */
const QUERY_TIMEOUT_MS = 600_000;

/**
 * The background jobs of the control plane, of which one process does them at a time.
 * @returns the function that ends them, after what is under way
 */
export function startLeader(options: LeaderOptions): () => Promise<void> {
  const { databaseUrl, archive, clickhouse, times, entropy, log } = options;
  const { leaderRetryMs, leaderCheckMs, ...every } = { ...TIMES, ...times };
  const random = () => Buffer.from(entropy.bytes(4)).readUInt32BE() / 2 ** 32;
  const db = createPool({
    databaseUrl,
    role: 'leader',
    maxConnections: CONNECTIONS,
    applicationName: 'ringside jobs',
    queryTimeoutMs: QUERY_TIMEOUT_MS,
    onConnectionError: (error) => log(`a database connection broke: ${error.message}`),
  });
  const storage = archive && createArchiveStorage(archive);
  const expiry = clickhouse && createClickHouseExpiry(clickhouse);
  const finder = clickhouse && createClickHouseFinder(clickhouse);
  const retention = { db, everyMs: every.retentionMs, entropy, random, log };
  const jobs = [
    createPartitionsJob({ db, everyMs: every.partitionsMs, random, log }),
    createRetentionJob({ ...retention, storage }),
    ...(expiry === undefined ? [] : [createClickHouseRetentionJob({ ...retention, expiry })]),
    createClosedIndexesJob({ db, everyMs: every.closedIndexesMs, log }),
    createExpiryJob({ db, clickhouse: expiry, everyMs: every.expiryMs, random, log }),
    createFeedbackJob({ db, everyMs: every.feedbackMs, random, log, findElsewhere: finder?.find }),
    createFeedbackExpiryJob({ db, everyMs: every.expiryMs, random, log }),
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
    await work;
    expiry?.close();
    finder?.close();
    await db.destroy();
  };
}
