import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { Capture, LogPolicy } from '#core/snapshot/log-policy.ts';
import type { Timeouts } from '#core/snapshot/schema.ts';
import type { ShadowPolicy } from '#core/snapshot/shadow-policy.ts';
import type { TrafficPolicy } from '#core/snapshot/traffic-policy.ts';
import type { BucketRange } from '#core/split/ranges.ts';
import type { Role } from '#core/weights.ts';
import type { ExperimentTables } from './experiment-tables.ts';
import type { InferenceTable, RollupTable } from './log-tables.ts';

/** The tables of the schema `ringside`, as Kysely sees them. bigint columns arrive as numbers (see pool.ts). */
export interface Database extends ExperimentTables {
  organizations: { id: string; name: string; created_at: Generated<Date> };
  providers: Versioned & {
    kind: string;
    base_url: string;
    credentials: string | null;
    credential_hint: string | null;
    header_names: string[];
    timeouts: JSONColumnType<Timeouts>;
    /** Of the kind `custom` only. */
    definition: JSONColumnType<Record<string, unknown> | null, string | null, string | null>;
  };
  models: Versioned & { meta: JSONColumnType<Record<string, unknown>> };
  deployments: {
    model_id: string;
    position: number;
    organization_id: string;
    provider_id: string;
    upstream_model: string;
    weight: number;
    zone: string | null;
  };
  groups: Versioned & {
    description: string;
    salt: string;
    hash_version: Generated<number>;
    phase: Generated<number>;
    /** As an earlier release wrote it: fields may lack. */
    capture: JSONColumnType<Capture>;
    log: JSONColumnType<LogPolicy>;
    traffic: JSONColumnType<Partial<TrafficPolicy>, string | undefined>;
    shadow: JSONColumnType<Partial<ShadowPolicy>, string | undefined>;
  };
  variants: {
    group_id: string;
    model_id: string;
    organization_id: string;
    position: number;
    role: Role;
    weight_bp: number;
    ranges: JSONColumnType<BucketRange[]>;
  };
  weight_versions: {
    group_id: string;
    config_version: number;
    organization_id: string;
    salt: string;
    hash_version: number;
    phase: number;
    variants: JSONColumnType<WeightVersionVariant[]>;
    created_at: Generated<Date>;
  };
  api_keys: Versioned & {
    digest: Buffer;
    hint: string;
    group_ids: string[] | null;
    default_unit: string | null;
    expires_at: Date | null;
    key_version: number;
  };
  snapshots: {
    version: number;
    organization_id: string;
    document: JSONColumnType<object>;
    created_at: Generated<Date>;
  };
  admin_tokens: {
    id: string;
    organization_id: string;
    name: string;
    role: AdminRole;
    digest: Buffer;
    hint: string;
    created_at: Generated<Date>;
    expires_at: Date | null;
    deleted_at: Date | null;
  };
  audit_entries: {
    id: Generated<number>;
    organization_id: string;
    at: Generated<Date>;
    actor: string;
    action: string;
    resource: string;
    before: JSONColumnType<object> | null;
    after: JSONColumnType<object> | null;
    config_version: number | null;
    request_id: string;
  };
  idempotency_keys: {
    organization_id: string;
    key: string;
    fingerprint: Buffer;
    status: number;
    answer: string;
    created_at: Generated<Date>;
  };
  gateways: {
    id: string;
    host: string;
    pid: number;
    release: string;
    workers: number;
    snapshot_version: number;
    key_version: number;
    started_at: Date;
    spools: Generated<number>;
    seen_at: ColumnType<Date, Date | undefined, Date>;
    stopped_at: Date | null;
  };
  inferences: InferenceTable;
  inference_payloads: {
    id: string;
    group_id: string;
    created_at: Date;
    organization_id: string;
    request: Buffer | null;
    request_sha256: Buffer | null;
    response: Buffer | null;
    response_sha256: Buffer | null;
    response_type: string | null;
  };
  spools: {
    id: string;
    gateway_id: string;
    scan_segment: number;
    scan_offset: number;
    shipped_segment: number;
    shipped_offset: number;
    finished: Generated<boolean>;
    updated_at: Generated<Date>;
  };
  ledger: {
    gateway_id: string;
    group_id: string;
    stored: number;
    interrupted: number;
    dropped: number;
    archived: Generated<number>;
    expired: Generated<number>;
    interrupted_removed: Generated<number>;
    rolled: Generated<number>;
    rollups_removed: Generated<number>;
  };
  gateway_ledgers: {
    gateway_id: string;
    group_id: string;
    accepted: number;
    recorded: number;
    dropped: JSONColumnType<Record<string, number>>;
    reported_at: Generated<Date>;
  };
  rollups: RollupTable & { gateway_id: string };
  rollup_minutes: RollupTable;
  archives: ArchiveTable;
}

export const ADMIN_ROLES = ['viewer', 'operator', 'admin', 'owner'] as const;
export type AdminRole = (typeof ADMIN_ROLES)[number];

interface Versioned {
  id: string;
  organization_id: string;
  name: string;
  version: Generated<number>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
  deleted_at: Date | null;
}

/** A variant as a weight version keeps it. */
export interface WeightVersionVariant {
  readonly modelId: string;
  readonly model: string;
  readonly role: Role;
  readonly weightBp: number;
  readonly ranges: readonly BucketRange[];
}

/** How an archive stands; see migrations/0004. */
type ArchiveState = 'writing' | 'verified' | 'dropped' | 'restored' | 'damaged';

/** Rows of a partition by gateway, status and outcome; `ids` tells them from as many others (count_rows of migrations/0004). */
export interface RowCount {
  readonly gatewayId: string;
  readonly status: number;
  readonly outcome: string;
  readonly rows: number;
  readonly ids: string;
}

/** The columns that the lines of an archive have. */
export interface ArchiveColumns {
  readonly inferences: readonly string[];
  readonly payloads: readonly string[];
}

interface ArchiveTable {
  id: string;
  organization_id: string;
  group_id: string;
  starts_at: Date;
  ends_at: Date;
  state: Generated<ArchiveState>;
  format: 'jsonl' | 'parquet';
  location: string;
  counts: JSONColumnType<RowCount[]> | null;
  columns: JSONColumnType<ArchiveColumns> | null;
  row_count: number | null;
  payload_count: number | null;
  file_bytes: number | null;
  file_sha256: string | null;
  restored_until: Date | null;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}
