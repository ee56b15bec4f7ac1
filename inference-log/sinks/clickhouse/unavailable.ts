import { LogUnavailableError } from '#store/log-unavailable.ts';
import { ClickHouseError, type ClickHouseUnreachableError } from './errors.ts';

/** What is said to those who ask the log and know nothing of ClickHouse. A proxy's page (no code) says that it is away. */
export function unavailable(error: ClickHouseError | ClickHouseUnreachableError): LogUnavailableError {
  const isRefusal = error instanceof ClickHouseError && error.exceptionCode !== 0;
  return new LogUnavailableError(error.message, { why: error.why, isRefusal, cause: error });
}
