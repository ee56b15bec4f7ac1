/**
 * What was typed cannot be worked with. The message is one line that names the field, and the command ends with 2; what was understood,
 * and refused or failed, ends with 1 (`CommandError`).
 */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Whether a command was called wrongly, by ours or by what `parseArgs` says of arguments. */
export function isUsageError(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return error instanceof TypeError && String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS');
}
