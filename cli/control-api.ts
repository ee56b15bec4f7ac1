import { randomUUID } from 'node:crypto';
import type { ControlAccess } from './export/access.ts';
import { CommandError } from './start-failure.ts';

/** The control API, for a command: what it refuses is the line that the command ends with. */
export interface ControlApi {
  /** @throws CommandError */
  get<Answer>(path: string, query?: Readonly<Record<string, string | undefined>>): Promise<Answer>;
  /** Each call has an Idempotency-Key of its own, so that it is done once even where its answer is lost. @throws CommandError */
  post<Answer>(path: string, body: object): Promise<Answer>;
  /** @throws CommandError */
  remove(path: string): Promise<void>;
}

interface ProblemBody {
  readonly detail?: unknown;
  readonly issues?: readonly { readonly field: string; readonly message: string }[];
}

export function createControlApi({ url, token }: ControlAccess): ControlApi {
  const call = async <Answer>(method: string, path: string, body?: object): Promise<Answer> => {
    let answer: Response;
    try {
      answer = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json', 'idempotency-key': randomUUID() }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      const reason = cause instanceof Error && cause.message !== '' ? cause.message : (error as Error).message;
      throw new CommandError(`the control API at ${url} cannot be reached: ${reason}; check RINGSIDE_CONTROL_URL`);
    }
    const text = await answer.text();
    if (!answer.ok) throw new CommandError(refusalOf(answer.status, text));
    return (text === '' ? undefined : JSON.parse(text)) as Answer;
  };
  return {
    get: (path, query = {}) => {
      const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
      const search = new URLSearchParams(given).toString();
      return call('GET', search === '' ? path : `${path}?${search}`);
    },
    post: (path, body) => call('POST', path, body),
    remove: (path) => call('DELETE', path),
  };
}

/** The sentence of a problem (RFC 9457), or a line for each field at fault. */
function refusalOf(status: number, text: string): string {
  let problem: ProblemBody;
  try {
    problem = JSON.parse(text) as ProblemBody;
  } catch {
    return `the control API answered ${status}: ${text.slice(0, 500)}`;
  }
  const { detail, issues = [] } = problem;
  if (issues.length > 1)
    return ['it was refused:', ...issues.map(({ field, message }) => `  ${field}: ${message}`)].join('\n');
  return typeof detail === 'string' ? detail : `the control API answered ${status}`;
}
