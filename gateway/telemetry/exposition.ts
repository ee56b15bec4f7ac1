import { ERROR_CODE_LIST } from '#core/errors.ts';
import type { LedgerTotals } from '#inference-log/spool.ts';
import { DROP_REASONS, LOSS_REASONS } from '#inference-log/spool-terms.ts';
import {
  BUCKET_BOUNDS_S,
  CELL,
  GAUGE,
  MIRROR_OUTCOMES,
  type SeriesLabels,
  STATUS_CLASSES,
  seriesOffset,
  TOKEN_KINDS,
} from './layout.ts';

/** What a scrape shows beside the workers' cells. */
export interface Scrape {
  /** One per worker slot. */
  readonly workers: readonly Float64Array[];
  readonly series: readonly SeriesLabels[];
  /** The group of each series. */
  readonly groupIds: readonly (string | undefined)[];
  readonly snapshotVersion: number;
  readonly keyVersion: number;
  readonly configSyncAgeS: number;
  readonly snapshotsRefused: number;
  readonly workerRestarts: number;
  /** What the store holds of this process. */
  readonly ledger: readonly LedgerTotals[];
  readonly backlogBytes: number;
  /** Reports of feedback that went to the dead letters. */
  readonly feedbackLost?: number;
  readonly residentBytes: number;
  readonly uptimeS: number;
  readonly release: string;
}

type Labels = Record<string, string>;

/** Writes the Prometheus text exposition format (version 0.0.4), summed over workers; series without a request are left out. */
export function writeExposition(scrape: Scrape): string {
  const out: string[] = [];
  const head = (name: string, type: 'counter' | 'gauge' | 'histogram', help: string) =>
    out.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  const line = (name: string, labels: Labels, value: number) => out.push(`${name}${writeLabels(labels)} ${value}`);
  const sum = (at: number) => scrape.workers.reduce((total, cells) => total + cells[at]!, 0);
  const used = scrape.series
    .map((labels, index) => ({ labels: { ...labels }, base: seriesOffset(index) }))
    .filter(({ base }) => isUsed(sum, base));

  const perSeries = (name: string, help: string, cells: readonly [at: number, extra: Labels][]) => {
    head(name, 'counter', help);
    for (const { labels, base } of used) {
      for (const [at, extra] of cells) {
        const value = sum(base + at);
        if (value > 0) line(name, { ...labels, ...extra }, value);
      }
    }
  };
  const histogram = (name: string, help: string, at: number) => {
    head(name, 'histogram', help);
    for (const { labels, base } of used) {
      let count = 0;
      const buckets = [...BUCKET_BOUNDS_S.map(String), '+Inf'].map((le, i) => {
        count += sum(base + at + i);
        return [le, count] as const;
      });
      if (count === 0) continue;
      for (const [le, value] of buckets) line(`${name}_bucket`, { ...labels, le }, value);
      line(`${name}_sum`, labels, sum(base + at + BUCKET_BOUNDS_S.length + 1));
      line(`${name}_count`, labels, count);
    }
  };

  perSeries(
    'ringside_requests_total',
    'Requests answered, by status class.',
    STATUS_CLASSES.map((status_class, i) => [CELL.REQUESTS + i, { status_class }]),
  );
  perSeries(
    'ringside_errors_total',
    'Requests that failed, by error code.',
    ERROR_CODE_LIST.map((code, i) => [CELL.ERRORS + i, { code }]),
  );
  perSeries(
    'ringside_tokens_total',
    'Tokens as reported by the upstreams.',
    TOKEN_KINDS.map((kind, i) => [CELL.TOKENS + i, { kind }]),
  );
  perSeries(
    'ringside_mirrored_total',
    'Calls drawn to be mirrored to a shadow, by what became of them; none of them is among the requests.',
    MIRROR_OUTCOMES.map((outcome, i) => [CELL.MIRRORED + i, { outcome }]),
  );
  histogram('ringside_request_duration_seconds', 'From the request line to the end of the answer.', CELL.DURATION);
  histogram('ringside_first_token_seconds', 'From the request line to the first token of a stream.', CELL.FIRST_TOKEN);
  writeLedger(scrape, sum, head, line);
  head('ringside_feedback_total', 'counter', 'Reports of feedback, by what became of them at this gateway.');
  line('ringside_feedback_total', { outcome: 'accepted' }, sum(GAUGE.FEEDBACK_ACCEPTED));
  line('ringside_feedback_total', { outcome: 'refused' }, sum(GAUGE.FEEDBACK_REFUSED));
  line('ringside_feedback_total', { outcome: 'limited' }, sum(GAUGE.FEEDBACK_LIMITED));
  line('ringside_feedback_total', { outcome: 'dead_letter' }, scrape.feedbackLost ?? 0);
  writeProcess(scrape, head, line);
  return `${out.join('\n')}\n`;
}

function isUsed(sum: (at: number) => number, base: number): boolean {
  if (STATUS_CLASSES.some((_, i) => sum(base + CELL.REQUESTS + i) > 0) || sum(base + CELL.ACCEPTED) > 0) return true;
  return MIRROR_OUTCOMES.some((_, i) => sum(base + CELL.MIRRORED + i) > 0);
}

type Head = (name: string, type: 'counter' | 'gauge' | 'histogram', help: string) => void;
type Line = (name: string, labels: Labels, value: number) => void;

interface LedgerEntry {
  readonly labels: Labels;
  accepted: number;
  /** With an end frame in the spool. */
  written: number;
  /** In the order of LOSS_REASONS. */
  readonly lost: number[];
  withoutPayload: number;
  stored: number;
  archived: number;
  expired: number;
  interrupted: number;
  deadLetters: number;
}

/**
 * The ledger of this process, by group: accepted = recorded + in flight + interrupted, recorded = stored + spooled + dropped,
 * where stored is a counter, which never falls: what has been archived or has expired since is in it, and told beside it.
 * Each inference moves between two of them at one moment, so that it holds in every scrape but for what is between threads.
 */
function writeLedger(scrape: Scrape, sum: (at: number) => number, head: Head, line: Line): void {
  const entries = new Map<string, LedgerEntry>();
  scrape.series.forEach(({ organization, group }, index) => {
    const groupId = scrape.groupIds[index];
    if (groupId === undefined) return;
    const ofStore = { stored: 0, archived: 0, expired: 0, interrupted: 0, deadLetters: 0 };
    const fresh = { accepted: 0, written: 0, withoutPayload: 0, ...ofStore };
    const lost = LOSS_REASONS.map(() => 0);
    // A renamed group has series under both names; its ledger goes by the newest.
    const entry = { ...(entries.get(groupId) ?? { ...fresh, lost }), labels: { organization, group } };
    const base = seriesOffset(index);
    entry.written += sum(base + CELL.RECORDED);
    LOSS_REASONS.forEach((_, at) => {
      entry.lost[at]! += sum(base + CELL.DROPPED + at);
    });
    entry.withoutPayload += sum(base + CELL.WITHOUT_PAYLOAD);
    // Last: what ends while we read was accepted, and must not seem to be too many.
    entry.accepted += sum(base + CELL.ACCEPTED);
    entries.set(groupId, entry);
  });
  for (const held of scrape.ledger) {
    const entry = entries.get(held.groupId);
    if (entry === undefined) continue;
    entry.stored += held.stored;
    entry.archived += held.archived;
    entry.expired += held.expired;
    entry.interrupted += held.interrupted;
    entry.deadLetters += held.dropped;
  }
  const used = [...entries.values()].filter((entry) => entry.accepted > 0);
  const write = (name: string, type: 'counter' | 'gauge', help: string, value: (entry: LedgerEntry) => number) => {
    head(name, type, help);
    for (const entry of used) line(name, entry.labels, value(entry));
  };
  write(
    'ringside_log_accepted_total',
    'counter',
    'Inferences that were dispatched and must be recorded.',
    (e) => e.accepted,
  );
  write(
    'ringside_log_recorded_total',
    'counter',
    'Inferences that have ended: stored, spooled or dropped.',
    recordedOf,
  );
  write('ringside_log_stored_total', 'counter', 'Recorded inferences that the store has committed.', (e) => e.stored);
  // Gauges: a restored archive makes them fall.
  write('ringside_log_archived', 'gauge', 'Stored inferences that are in an archive only.', (e) => e.archived);
  write('ringside_log_expired', 'gauge', 'Stored inferences whose rows retention has removed.', (e) => e.expired);
  write(
    'ringside_log_interrupted_total',
    'counter',
    'Accepted inferences that a crash cut off; stored as such.',
    (e) => e.interrupted,
  );
  write('ringside_log_spooled', 'gauge', 'Recorded inferences that wait in the local spool.', (e) =>
    Math.max(0, e.written - e.stored - e.deadLetters),
  );
  write('ringside_log_in_flight', 'gauge', 'Accepted inferences that have not ended yet.', (e) =>
    Math.max(0, e.accepted - recordedOf(e) - e.interrupted),
  );
  head('ringside_log_dropped_total', 'counter', 'Inferences whose record is lost, by reason.');
  for (const entry of used) {
    [...entry.lost, entry.deadLetters].forEach((count, at) => {
      line('ringside_log_dropped_total', { ...entry.labels, reason: DROP_REASONS[at]! }, count);
    });
  }
  write(
    'ringside_log_without_payload_total',
    'counter',
    'Recorded without their bodies while the spool was full.',
    (e) => e.withoutPayload,
  );
  head('ringside_log_backlog_bytes', 'gauge', 'Bytes in the spool that are not in the store yet.');
  line('ringside_log_backlog_bytes', {}, scrape.backlogBytes);
}

/** A dead letter was recorded, too: it is lost behind the spool. */
function recordedOf({ written, lost }: LedgerEntry): number {
  return lost.reduce((total, count) => total + count, written);
}

function writeProcess(scrape: Scrape, head: Head, line: Line): void {
  const perWorker = (name: string, help: string, at: number) => {
    head(name, 'gauge', help);
    scrape.workers.forEach((cells, index) => {
      line(name, { worker: String(index) }, cells[at]!);
    });
  };
  const single = (name: string, type: 'counter' | 'gauge', help: string, value: number) => {
    head(name, type, help);
    line(name, {}, value);
  };
  perWorker('ringside_in_flight', 'Requests being handled.', GAUGE.IN_FLIGHT);
  perWorker('ringside_connections', 'Open client connections.', GAUGE.CONNECTIONS);
  perWorker(
    'ringside_event_loop_lag_p50_seconds',
    'Median delay of the event loop in the last second.',
    GAUGE.LOOP_LAG_P50_S,
  );
  perWorker('ringside_event_loop_lag_p99_seconds', '99th percentile of the same.', GAUGE.LOOP_LAG_P99_S);
  perWorker(
    'ringside_event_loop_utilisation',
    'Share of the last second that the loop was busy.',
    GAUGE.LOOP_UTILISATION,
  );
  perWorker('ringside_heap_bytes', 'JavaScript heap in use.', GAUGE.HEAP_BYTES);
  perWorker('ringside_worker_snapshot_version', 'Snapshot version the worker serves.', GAUGE.SNAPSHOT_VERSION);
  single('ringside_snapshot_version', 'gauge', 'Snapshot version served by all workers.', scrape.snapshotVersion);
  single('ringside_key_version', 'gauge', 'Version of the key table in use.', scrape.keyVersion);
  single(
    'ringside_config_sync_age_seconds',
    'gauge',
    'Since the configuration was last confirmed.',
    scrape.configSyncAgeS,
  );
  single('ringside_snapshots_refused_total', 'counter', 'Snapshots that did not compile.', scrape.snapshotsRefused);
  single('ringside_worker_restarts_total', 'counter', 'Workers that died and were replaced.', scrape.workerRestarts);
  single('process_resident_memory_bytes', 'gauge', 'Resident memory of the gateway process.', scrape.residentBytes);
  single('ringside_uptime_seconds', 'gauge', 'Since this gateway process started.', scrape.uptimeS);
  head('ringside_build_info', 'gauge', 'The release that runs.');
  line('ringside_build_info', { release: scrape.release, node: process.versions.node }, 1);
}

function writeLabels(labels: Labels): string {
  const entries = Object.entries(labels);
  if (entries.length === 0) return '';
  return `{${entries.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
