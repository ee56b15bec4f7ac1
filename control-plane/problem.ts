import { isContention, violatedUnique } from '#store/failures.ts';
import { LogTooMuchError } from '#store/log-rows.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import { isOutage } from '#store/pool.ts';

/**
 * What can go wrong with a control API request: code → HTTP status and title (RFC 9457). The code is the last part of the
 * answer's `type`, `urn:ringside:problem:<code>`.
 */
export const PROBLEMS = {
  bad_request: { status: 400, title: 'Bad request' },
  unauthorized: { status: 401, title: 'Unauthorized' },
  forbidden: { status: 403, title: 'Forbidden' },
  not_found: { status: 404, title: 'Not found' },
  name_taken: { status: 409, title: 'Name taken' },
  in_use: { status: 409, title: 'Still in use' },
  conflict: { status: 409, title: 'Not possible now' },
  version_mismatch: { status: 412, title: 'Changed meanwhile' },
  body_too_large: { status: 413, title: 'Body too large' },
  invalid: { status: 422, title: 'Invalid request' },
  internal: { status: 500, title: 'Internal error' },
  busy: { status: 503, title: 'Busy' },
  unavailable: { status: 503, title: 'Database unavailable' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One thing wrong with a request: the path of the field at fault and a sentence. */
export interface Issue {
  readonly field: string;
  readonly message: string;
}

interface ProblemDetails {
  readonly issues?: readonly Issue[];
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** Which unique index guards the names of what. */
const NAME_INDEXES: Readonly<Record<string, string>> = {
  providers_name: 'provider',
  models_name: 'model',
  groups_name: 'group',
  api_keys_name: 'key',
};

/**
 * The one error class of the control API. Services throw it rather than return it, because it must also roll back the
 * transaction that they run in. The message is public.
 */
export class Problem extends Error {
  override name = 'Problem';
  readonly code: ProblemCode;
  readonly issues: readonly Issue[];
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ProblemCode, detail: string, details: ProblemDetails = {}) {
    super(detail, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.issues = details.issues ?? [];
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  /** Turns whatever was thrown into a Problem; what nobody expected becomes `internal` with a neutral detail. */
  static from(reason: unknown): Problem {
    if (reason instanceof Problem) return reason;
    const taken = NAME_INDEXES[violatedUnique(reason) ?? ''];
    if (taken !== undefined) {
      const message = `another ${taken} has this name already`;
      return new Problem('name_taken', `name: ${message}`, { issues: [{ field: 'name', message }] });
    }
    if (reason instanceof LogUnavailableError) {
      const detail = `The rows of the log are in ClickHouse, which ${reason.why}; nothing was changed. Try again soon.`;
      return new Problem('unavailable', detail, { retryAfterSeconds: 5, cause: reason });
    }
    if (reason instanceof LogTooMuchError) {
      const detail =
        'Looking through the log for this took more than it may; nothing was changed. Try again, or with fewer historyDays.';
      return new Problem('busy', detail, { retryAfterSeconds: 5, cause: reason });
    }
    if (isOutage(reason)) {
      return new Problem(
        'unavailable',
        'The database does not answer. Try again soon; an Idempotency-Key makes repeating a change safe.',
        {
          retryAfterSeconds: 2,
          cause: reason,
        },
      );
    }
    if (isContention(reason)) {
      return new Problem('busy', 'Other changes were in the way; nothing was changed. Send the request again.', {
        retryAfterSeconds: 1,
        cause: reason,
      });
    }
    return new Problem('internal', 'The control plane failed to handle this request.', { cause: reason });
  }
}

/** A 422 that names its fields. */
export function invalid(issues: readonly [Issue, ...Issue[]]): Problem {
  return new Problem('invalid', issues.map(({ field, message }) => `${field}: ${message}`).join('; '), { issues });
}

/** Throws a 422 if there are issues. */
export function refuseIssues(issues: readonly Issue[]): void {
  const [first, ...rest] = issues;
  if (first !== undefined) throw invalid([first, ...rest]);
}

/** A 404. What belongs to another organization does not exist either. */
export function notFound(kind: string, ref: string): Problem {
  return new Problem('not_found', `There is no ${kind} "${ref}".`);
}

/** A 409 that names what still depends on a resource. */
export function inUse(kind: string, name: string, dependants: string, names: readonly string[]): Problem {
  const listed = names.map((each) => `"${each}"`).join(', ');
  return new Problem(
    'in_use',
    `The ${kind} "${name}" is used by ${dependants} ${listed}; change or delete these first.`,
    {
      issues: names.map((each) => ({ field: dependants, message: each })),
    },
  );
}
