/** ClickHouse refused a statement, or what answered is no ClickHouse. Its message holds neither passwords nor rows. */
export class ClickHouseError extends Error {
  override name = 'ClickHouseError';
  /** The server's own number (its source calls the table ErrorCodes); 0 when there was none. */
  readonly exceptionCode: number;
  readonly status: number;
  /** What happened, without the server's own text: for who may not know that. */
  readonly why: string;

  constructor(message: string, exceptionCode: number, status: number, why = `answered ${status}`) {
    super(message);
    this.exceptionCode = exceptionCode;
    this.status = status;
    this.why = why;
  }
}

/** ClickHouse could not be reached, or did not answer in time; what it was told may have been done all the same. */
export class ClickHouseUnreachableError extends Error {
  override name = 'ClickHouseUnreachableError';
  /** What happened, without the address: for who may not know that. */
  readonly why: string;

  constructor(place: string, why: string) {
    super(`ClickHouse at ${place} ${why}`);
    this.why = why;
  }
}

export const UNKNOWN_DATABASE = 81;
const PAYLOAD_TOO_LARGE = 413;

/**
 * What a value can be at fault for. The encoder has checked every value by then, so it takes a constraint or a limit of
 * the operator's own. Errors of parsing (27, 33, 117, …) are not among them: since we send binary rows, they mean that
 * table and release do not agree, which would bury every record as a dead letter. They stall the shipper instead, loudly.
 */
const OF_DATA: ReadonlySet<number> = new Set([
  131, // TOO_LARGE_STRING_SIZE
  321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
  469, // VIOLATED_CONSTRAINT
]);

/** What speaks of the server, the schema or our rights; the texts of others may repeat rows. */
const TELLING: ReadonlySet<number> = new Set([
  ...[16, 47, 60, UNKNOWN_DATABASE], // columns, tables, database
  ...[164, 497, 516], // READONLY, ACCESS_DENIED, AUTHENTICATION_FAILED
  ...[159, 202, 241, 243, 252], // timeout, too many queries, memory, disk, TOO_MANY_PARTS
]);
const SCHEMA: ReadonlySet<number> = new Set([16, 47, 60, UNKNOWN_DATABASE]);
const MAX_DETAIL = 300;

/** What says that a question takes more than it may: TOO_MANY_ROWS, TIMEOUT_EXCEEDED, MEMORY_LIMIT_EXCEEDED, TOO_MANY_BYTES, TOO_MANY_ROWS_OR_BYTES. */
const TOO_MUCH: ReadonlySet<number> = new Set([158, 159, 241, 307, 396]);

/** Whether a question was ended because it took longer, or needed more, than it may. */
export function isTooMuch(error: unknown): boolean {
  return error instanceof ClickHouseError && TOO_MUCH.has(error.exceptionCode);
}

/** Whether the same rows would be refused again, while others may pass. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ClickHouseError && (OF_DATA.has(error.exceptionCode) || error.status === PAYLOAD_TOO_LARGE);
}

export interface ErrorAnswer {
  readonly status: number;
  /** The header X-ClickHouse-Exception-Code. */
  readonly codeHeader: string | undefined;
  readonly text: string;
  /** Whether rows travelled with the statement, which the text may then repeat. */
  readonly withRows: boolean;
  readonly password: string;
}

/** The error that an answer tells. Its text looks like `Code: 60. DB::Exception: …. (UNKNOWN_TABLE) (version …)`. */
export function errorOf({ status, codeHeader, text, withRows, password }: ErrorAnswer): ClickHouseError {
  const code = Number(codeHeader ?? /^Code: (\d+)\./.exec(text)?.[1] ?? 0);
  if (code === 0)
    return new ClickHouseError(`ClickHouse's address answered ${status}, without an error of ClickHouse's`, 0, status);
  // It stands at the end: what comes before may repeat the statement, with types in brackets.
  const name = [...text.matchAll(/\(([A-Z][A-Z0-9_]{3,})\)/g)].at(-1)?.[1];
  const detail = withRows && !TELLING.has(code) ? '' : `: ${detailOf(text, password)}`;
  const hint = SCHEMA.has(code) && withRows ? '; run: ringside migrate' : '';
  const refused = `refused it with ${code}${name === undefined ? '' : ` ${name}`}`;
  return new ClickHouseError(`ClickHouse ${refused}${detail}${hint}`, code, status, refused);
}

function detailOf(text: string, password: string): string {
  const said = text.replace(/^Code: \d+\. (DB::Exception: )?/, '').replace(/ \(version [^)]*\)\s*$/, '');
  const line = said.replace(/\s+/g, ' ').trim().slice(0, MAX_DETAIL);
  return password === '' ? line : line.replaceAll(password, '***');
}
