import type { IncomingMessage, ServerResponse } from 'node:http';
import { RingsideError } from '#core/errors.ts';
import { createInferenceId, groupHashOfId, NO_GROUP_HASH } from '#core/ids.ts';
import type { FeedbackItem, FeedbackReport, FeedbackWriter } from '#inference-log/feedback-record.ts';
import type { SpoolWriter } from '#inference-log/spool.ts';
import { openaiChat } from '#translation/dialects/openai-chat/ingress.ts';
import { checkFraming, presentedKey } from '../flow/accept.ts';
import { endAnswer } from '../flow/end-answer.ts';
import { refuse } from '../flow/fail.ts';
import type { FlowDeps } from '../flow/ports.ts';
import { type BodyHolder, readBody, recycleBody, releaseBody } from '../flow/read-body.ts';
import { mayUse, resolveOrganization } from '../flow/resolve-group.ts';
import type { BoundOrganization } from '../snapshot/bind.ts';
import type { KeyRecord } from '../snapshot/key-table.ts';
import { ANONYMOUS_SERIES } from '../telemetry/series.ts';
import type { FeedbackMeter } from './meter.ts';
import { type FeedbackIssue, hasTooManyFields, MAX_FIELDS, MAX_ITEMS, parseFeedbackBody } from './parse.ts';
import { redactReports } from './redact-reports.ts';

export interface FeedbackDeps
  extends Pick<
    FlowDeps,
    | 'clock'
    | 'random'
    | 'authenticator'
    | 'organizations'
    | 'recorder'
    | 'bodyBudget'
    | 'bodyPool'
    | 'maxBodyBytes'
    | 'stalledReaderMs'
    | 'onDefect'
  > {
  readonly spool: FeedbackWriter & Pick<SpoolWriter, 'accepting'>;
  readonly meter: FeedbackMeter;
}

/** Answers one `POST /v1/feedback`. Returns at once. */
export type FeedbackHandler = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

const PATH = '/v1/feedback';
/** A thousand reports with the longest comments are half as long; a longer text would keep the thread too long. */
const MAX_BYTES = 16 * 1024 * 1024;
/** How much of what is wrong the message itself says; `issues` says all. */
const MAX_TOLD = 10;

export function isFeedbackPath(url: string): boolean {
  return url === PATH || url.startsWith(`${PATH}?`);
}

/** One call. It goes through the rooms that every governed request goes through: framing, key, organization, body, log; and
 * what its key has left is looked at in between. */
interface Call extends BodyHolder {
  readonly outgoing: ServerResponse;
  readonly id: string;
  readonly startNs: number;
  /** Nothing upstream reads the body. */
  readonly attempt: null;
  ended: boolean;
  organization: BoundOrganization | null;
}

/** What is wrong with the reports, for the caller. */
class RefusedReports extends RingsideError {
  readonly issues: readonly FeedbackIssue[];
  readonly count: number;

  constructor(issues: readonly FeedbackIssue[], count: number) {
    const told = issues.slice(0, MAX_TOLD).map(sentenceOf);
    const more = issues.length > MAX_TOLD ? ` And ${issues.length - MAX_TOLD} more: see "issues".` : '';
    const param = pathOf(issues[0]!);
    super('bad_request', `Nothing was taken. ${told.join(' ')}${more}`, param === '' ? {} : { param });
    this.issues = issues;
    this.count = count;
  }
}

/** The key has sent as many as it may, for now. */
class TooManyReports extends RingsideError {
  readonly count: number;

  constructor(count: number, retryAfterSeconds: number) {
    const message = `Nothing was taken: this API key has reported as much as it may in a minute. Send it again in ${retryAfterSeconds} s.`;
    super('rate_limited', message, { retryAfterSeconds });
    this.count = count;
  }
}

export function createFeedbackHandler(given: FeedbackDeps): FeedbackHandler {
  const deps: FeedbackDeps = { ...given, maxBodyBytes: Math.min(given.maxBodyBytes, MAX_BYTES) };
  return (incoming, outgoing) => {
    const startMs = deps.clock.unixMs();
    const call: Call = {
      ...{ incoming, outgoing, startNs: deps.clock.nowNs(), id: newId(deps, startMs) },
      ...{ attempt: null, ended: false, heldBytes: 0, gathered: null, organization: null },
    };
    deps.recorder.inFlight(1);
    outgoing.once('close', () => {
      deps.recorder.inFlight(-1);
      releaseBody(deps, call);
      // What it has reported is kept, if it came that far.
      if (!call.ended) end(deps, call, new RingsideError('client_closed', 'The caller closed the connection.'));
    });
    const fail = (reason: unknown) => {
      const error = RingsideError.from(reason);
      if (error.code === 'internal') deps.onDefect(error.cause ?? error);
      if (end(deps, call, error)) sendRefusal(deps, call, error);
    };
    try {
      checkFraming(incoming);
      const key = deps.authenticator.authenticate(presentedKey(openaiChat, incoming));
      const organization = resolveOrganization(deps.organizations(), key);
      call.organization = organization;
      // A call costs a report before anybody reads it, and all that it holds once they are counted, good or bad.
      takeAll(deps, key, 1);
      if (!deps.spool.accepting) throw logUnavailable();
      const take = (body: Buffer) => {
        try {
          report(deps, call, key, organization, body, fail);
        } catch (reason) {
          fail(reason);
        }
      };
      readBody(deps, call, take, fail);
    } catch (reason) {
      fail(reason);
    }
  };
}

/** Hands what the body reports to the log, and answers once the operating system has it. */
function report(
  deps: FeedbackDeps,
  call: Call,
  key: KeyRecord,
  organization: BoundOrganization,
  body: Buffer,
  fail: (reason: unknown) => void,
): void {
  const nowMs = deps.clock.unixMs();
  const groups = [...organization.groups.values()].filter((bound) => mayUse(key, bound)).map(({ group }) => group);
  // 12 bits of an inference's id are its group's: others' are refused but for a chance of one in 4096, and join nothing.
  const hashes = new Set(groups.map(({ hash }) => hash));
  const parsed = parseFeedbackBody(parseJson(body), {
    nowMs,
    mayReport: (id) => hashes.has(groupHashOfId(id)),
    newId: () => newId(deps, nowMs),
  });
  recycleBody(deps, call);
  const count = parsed.kind === 'issues' ? parsed.count : parsed.items.length;
  if (count > 1) takeAll(deps, key, count - 1, count);
  if (parsed.kind === 'issues') throw new RefusedReports(parsed.issues, parsed.count);
  redactReports(parsed.items, groups)
    .then((items) =>
      write(deps, call, { organizationId: organization.id, keyId: key.id, receivedMs: nowMs, items }, fail),
    )
    .catch(fail);
}

/** @throws TooManyReports unless the key may send so many more now. @param ofCall how many the call holds, as far as is known */
function takeAll({ meter }: FeedbackDeps, { id }: KeyRecord, reports: number, ofCall = reports): void {
  const waitS = meter.take(id, reports, ofCall);
  if (waitS !== null) throw new TooManyReports(ofCall, waitS);
}

function write(deps: FeedbackDeps, call: Call, record: FeedbackReport, fail: (reason: unknown) => void): void {
  // A caller that left before anything was kept: it has no answer, and sends its reports again.
  if (call.ended) return;
  const { items } = record;
  deps.spool.feedback(newId(deps, record.receivedMs), record, (isRecorded) => {
    deps.recorder.feedback(isRecorded ? 'accepted' : 'refused', items.length);
    if (!isRecorded) fail(logUnavailable());
    else if (end(deps, call, null)) sendAccepted(deps, call, items);
  });
}

function parseJson(body: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new RingsideError('bad_request', 'The request body is not UTF-8.');
  }
  if (hasTooManyFields(body)) {
    const most = `${MAX_ITEMS} reports of ${MAX_FIELDS} fields each`;
    throw new RingsideError('bad_request', `The request body has too many fields; at most ${most} go into one call.`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new RingsideError('bad_request', 'The request body is not JSON.');
  }
}

/** Counts the call, once. False when that has happened. */
function end(deps: FeedbackDeps, call: Call, error: RingsideError | null): boolean {
  if (call.ended) return false;
  call.ended = true;
  const series = call.organization?.series ?? ANONYMOUS_SERIES;
  const totalNs = deps.clock.nowNs() - call.startNs;
  deps.recorder.finished(series, error?.status ?? 202, error?.code ?? null, totalNs, null, null);
  if (error instanceof RefusedReports) deps.recorder.feedback('refused', error.count);
  if (error instanceof TooManyReports) deps.recorder.feedback('limited', error.count);
  return true;
}

function sendAccepted(deps: FeedbackDeps, { outgoing, id }: Call, items: readonly FeedbackItem[]): void {
  if (outgoing.destroyed) return;
  const body = Buffer.from(JSON.stringify({ accepted: items.length, ids: items.map((item) => item.id) }));
  const headers = ['x-request-id', id, 'content-type', 'application/json', 'content-length', String(body.length)];
  outgoing.writeHead(202, headers);
  endAnswer(outgoing, body, deps.stalledReaderMs);
}

function sendRefusal(deps: FeedbackDeps, { incoming, outgoing, id }: Call, error: RingsideError): void {
  if (outgoing.destroyed) return;
  refuse(incoming, outgoing, error, errorBody(error), ['x-request-id', id], deps.stalledReaderMs);
}

/** OpenAI's shape, with everything that is wrong beside the message. */
function errorBody(error: RingsideError): string {
  const text = openaiChat.errorBody(error);
  if (!(error instanceof RefusedReports)) return text;
  const body = JSON.parse(text) as { error: object };
  return JSON.stringify({ error: { ...body.error, issues: error.issues } });
}

function sentenceOf(issue: FeedbackIssue): string {
  const path = pathOf(issue);
  return `${path === '' ? 'The body' : path} ${issue.message}.`;
}

/** `feedback[3].metric`; empty for the body as a whole. */
function pathOf({ item, field }: FeedbackIssue): string {
  if (item === null) return field ?? '';
  return field === null ? `feedback[${item}]` : `feedback[${item}].${field}`;
}

function newId(deps: FeedbackDeps, unixMs: number): string {
  return createInferenceId(unixMs, NO_GROUP_HASH, deps.random);
}

function logUnavailable(): RingsideError {
  const message = 'The inference log cannot take more at the moment (spool full); try again.';
  return new RingsideError('log_unavailable', message, { retryAfterSeconds: 1 });
}
