import { createHash } from 'node:crypto';

/** How much of a request body is kept. */
export const CAPTURED_BODY_BYTES = 16_384;
const DEFAULT_CAPACITY = 10_000;
const DEFAULT_LIMIT = 100;

/** `open` until the last byte is handed over; `aborted`: the client left first; `cut`: the simulator ended it early. */
type Outcome = 'open' | 'completed' | 'aborted' | 'cut';

/** What the ring holds of one request: references and numbers; everything else is worked out when it is read. */
export interface JournalEntry {
  readonly sequence: number;
  readonly atMs: number;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly rawHeaders: readonly string[];
  bodyBytes: number;
  bodyHead: Buffer | undefined;
  /** Set on arrival only for bodies that are not kept whole. */
  bodySha256: string | undefined;
  model: string | null;
  stream: boolean;
  status: number | null;
  outcome: Outcome;
}

/** One request as `GET /_sim/requests` shows it. */
interface JournalItem {
  readonly sequence: number;
  /** ISO 8601. */
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly model: string | null;
  /** null: no headers were sent (yet). */
  readonly status: number | null;
  /** Names in lower case, repeated ones joined by `, `; credentials as received. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  /** The first 16 KB. */
  readonly body: string;
  /** Of the whole body, in hex. */
  readonly bodySha256: string;
  readonly stream: boolean;
  /** The client left before the end. */
  readonly aborted: boolean;
  readonly completed: boolean;
}

/** Items oldest first; totals count everything since the last clear, whether or not the ring still holds it. */
export interface JournalPage {
  readonly total: number;
  readonly byModel: Readonly<Record<string, number>>;
  readonly byPath: Readonly<Record<string, number>>;
  readonly items: readonly JournalItem[];
}

interface JournalQuery {
  readonly model?: string | undefined;
  /** Only what has a greater sequence: the first `limit` of them. Without it, the last `limit` of all. */
  readonly since?: number | undefined;
  /** Default 100. */
  readonly limit?: number | undefined;
}

/** What the simulator received, in a ring that forgets the oldest. Sequences start at 1 and are never reused. */
export interface Journal {
  open(request: Pick<JournalEntry, 'atMs' | 'method' | 'path' | 'query' | 'rawHeaders'>): JournalEntry;
  setBody(entry: JournalEntry, body: Buffer): void;
  setModel(entry: JournalEntry, model: string, stream: boolean): void;
  read(query?: JournalQuery): JournalPage;
  clear(): void;
}

/** A journal of the last `capacity` requests. */
export function createJournal(capacity: number = DEFAULT_CAPACITY): Journal {
  const ring: JournalEntry[] = [];
  const byModel = new Map<string, number>();
  const byPath = new Map<string, number>();
  let total = 0;
  let sequence = 0;
  return {
    // hot
    open({ atMs, method, path, query, rawHeaders }) {
      const entry: JournalEntry = {
        sequence: ++sequence,
        atMs,
        method,
        path,
        query,
        rawHeaders,
        bodyBytes: 0,
        bodyHead: undefined,
        bodySha256: undefined,
        model: null,
        stream: false,
        status: null,
        outcome: 'open',
      };
      total++;
      countOne(byPath, path);
      ring[sequence % capacity] = entry;
      return entry;
    },
    // hot
    setBody(entry, body) {
      entry.bodyBytes = body.length;
      if (body.length <= CAPTURED_BODY_BYTES) entry.bodyHead = body;
      else captureLarge(entry, body);
    },
    setModel(entry, model, stream) {
      entry.model = model;
      entry.stream = stream;
      countOne(byModel, model);
    },
    read({ model, since, limit = DEFAULT_LIMIT } = {}) {
      const found = ring
        .filter((entry) => (model === undefined || entry.model === model) && entry.sequence > (since ?? 0))
        .sort((a, b) => a.sequence - b.sequence);
      const page = since === undefined ? found.slice(Math.max(0, found.length - limit)) : found.slice(0, limit);
      return {
        total,
        byModel: Object.fromEntries(byModel),
        byPath: Object.fromEntries(byPath),
        items: page.map(toItem),
      };
    },
    clear() {
      ring.length = 0;
      byModel.clear();
      byPath.clear();
      total = 0;
    },
  };
}

function countOne(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Copies the head, since a slice would keep the whole body alive; the hash can't wait until it is read. */
function captureLarge(entry: JournalEntry, body: Buffer): void {
  entry.bodyHead = Buffer.from(body.subarray(0, CAPTURED_BODY_BYTES));
  entry.bodySha256 = createHash('sha256').update(body).digest('hex');
}

function toItem(entry: JournalEntry): JournalItem {
  const { rawHeaders, bodyHead, atMs, outcome } = entry;
  const headers = new Map<string, string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase();
    const before = headers.get(name);
    headers.set(name, before === undefined ? rawHeaders[at + 1]! : `${before}, ${rawHeaders[at + 1]}`);
  }
  return {
    sequence: entry.sequence,
    at: new Date(atMs).toISOString(),
    method: entry.method,
    path: entry.path,
    query: entry.query,
    model: entry.model,
    status: entry.status,
    headers: Object.fromEntries(headers),
    bodyBytes: entry.bodyBytes,
    body: bodyHead?.toString('utf8') ?? '',
    bodySha256:
      entry.bodySha256 ??
      createHash('sha256')
        .update(bodyHead ?? '')
        .digest('hex'),
    stream: entry.stream,
    aborted: outcome === 'aborted',
    completed: outcome === 'completed',
  };
}
