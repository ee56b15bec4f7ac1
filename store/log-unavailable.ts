export interface LogUnavailableDetails {
  /** What happened, for anybody to know: without addresses and the store's own texts, which the message has. */
  readonly why: string;
  /** It answered, and refused: which may be for what was sought, and not for all. */
  readonly isRefusal: boolean;
  readonly cause: unknown;
}

/** The store of the log's rows, where that is not PostgreSQL, could not be read. Nothing is known of what was sought: it is asked again later. */
export class LogUnavailableError extends Error {
  override name = 'LogUnavailableError';
  readonly why: string;
  readonly isRefusal: boolean;

  constructor(message: string, { why, isRefusal, cause }: LogUnavailableDetails) {
    super(message, { cause });
    this.why = why;
    this.isRefusal = isRefusal;
  }
}
