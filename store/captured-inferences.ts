import type { InferenceRow, PayloadRow } from './inferences.ts';
import type { Tx } from './pool.ts';

/** What of a row of the log says how an inference went, and what was kept of it. */
export type CapturedRow = Pick<InferenceRow, (typeof CAPTURED_COLUMNS)[number]>;
export const CAPTURED_COLUMNS = [
  ...(['id', 'group_id', 'created_at', 'operation', 'dialect', 'assigned_variant', 'outcome', 'error_code'] as const),
  ...(['key_id', 'attempts', 'input_tokens', 'output_tokens', 'cost_micro_usd'] as const),
  ...(['capture_facts', 'request_bytes', 'response_bytes'] as const),
] as const;

/** An inference with its bodies. `payload`: undefined where nothing was captured, or it is not there (yet). */
export interface CapturedInference {
  readonly row: CapturedRow;
  readonly payload: PayloadRow | undefined;
}

/** Some inferences of a group. */
export interface SoughtCaptures {
  readonly organizationId: string;
  readonly groupId: string;
  readonly ids: readonly string[];
}

/** Runs work in a transaction of the organization: one that is open, or one of its own. */
export type InTransaction = <Result>(work: (tx: Tx) => Promise<Result>) => Promise<Result>;

/**
 * Reads rows and bodies where the log has them: in PostgreSQL (captured-in-postgres.ts) or in ClickHouse (inference-log/sinks/clickhouse).
 * Who lacks one of those sought waits for it: another replica, or a gateway, may have it.
 */
export interface CapturedInferences {
  /**
   * Those that the log has, by id; one that lies there twice is one.
   * @param inTransaction for PostgreSQL alone: elsewhere no transaction waits for the answer, unless the caller's own is open
   * @throws LogUnavailableError
   */
  find(inTransaction: InTransaction, sought: SoughtCaptures): Promise<ReadonlyMap<string, CapturedInference>>;
}

/** One inference, as it is shown. */
export interface SoughtInference {
  readonly organizationId: string;
  /** Those that its id may be of. */
  readonly groupIds: readonly string[];
  readonly id: string;
}

/** An inference with all that the log has of it. */
export interface WholeInference {
  readonly row: InferenceRow;
  readonly payload: PayloadRow | undefined;
}

/** Finds single inferences where the rows of the log are, if that is not PostgreSQL. */
export interface WholeInferences {
  /** @throws LogUnavailableError */
  findWhole(sought: SoughtInference): Promise<WholeInference | undefined>;
}
