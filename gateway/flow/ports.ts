import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { ScanPlan } from '#core/body-scan.ts';
import type { ErrorCode, RingsideError } from '#core/errors.ts';
import type { RandomPool } from '#core/ids.ts';
import type { Metadata } from '#core/metadata.ts';
import type { Operation } from '#core/names.ts';
import type { Placement } from '#core/split/assign.ts';
import type { AttemptRecord, BeginRecord, EndRecord } from '#inference-log/record.ts';
import type { SpoolWriter } from '#inference-log/spool.ts';
import type { Ingress, IngressRoute, ParsedRequest } from '#translation/dialects/ingress.ts';
import type { Answering } from '../answering.ts';
import type { Pending } from '../pending.ts';
import type { ReplyFacts, UpstreamTarget } from '../providers/provider.ts';
import type { BoundGroup, BoundOrganization, BoundVariant } from '../snapshot/bind.ts';
import type { KeyRecord } from '../snapshot/key-table.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { UpstreamController, UpstreamHeaders, UpstreamPools } from '../upstream/handler.ts';
import type { TokenSources } from '../upstream/token-source.ts';
import type { BodyPool } from './body-pool.ts';
import type { BodyCapture } from './capture.ts';
import type { EventWriter } from './event-writer.ts';
import type { SignsOfLife } from './signs-of-life.ts';

/** What the rooms are given. One object per worker. */
export interface FlowDeps {
  readonly clock: Clock;
  readonly random: RandomPool;
  readonly authenticator: Authenticator;
  /** The configuration served at this moment; taken once per request. */
  readonly organizations: () => ReadonlyMap<string, BoundOrganization>;
  readonly scanPlans: ReadonlyMap<Ingress, ScanPlan>;
  readonly upstream: UpstreamPools;
  readonly tokens: TokenSources;
  readonly spool: SpoolWriter;
  readonly recorder: Recorder;
  /** Ends that are not written yet, though their caller may have left. */
  readonly pending: Pending;
  readonly bodyBudget: BodyBudget;
  readonly bodyPool: BodyPool;
  readonly maxBodyBytes: number;
  readonly signsOfLife: SignsOfLife;
  /** How long a caller may leave an answer unread before its connection is closed. */
  readonly stalledReaderMs: number;
  readonly onDefect: (error: unknown) => void;
}

/** Tells who is calling. Throws `unauthorized`, or `config_unavailable` when an unknown key may only not have arrived yet. */
export interface Authenticator {
  authenticate(authorization: string | undefined): KeyRecord;
}

/** Bytes of request bodies that all workers together may hold. */
export interface BodyBudget {
  /** False when they do not fit. `share`: of the whole, how much may be held with them; 1 where it is not said. */
  take(bytes: number, share?: number): boolean;
  give(bytes: number): void;
}

/** What was decided about a request: once, never re-rolled. */
export interface Assignment {
  readonly organization: BoundOrganization;
  readonly group: BoundGroup;
  readonly variant: BoundVariant;
  readonly placement: Placement;
  readonly unit: string;
  readonly unitSource: BeginRecord['unitSource'];
}

/** Whoever waits for an answer, as the rooms from the call to the record see it. */
export interface Recipient {
  readonly headersSent: boolean;
  readonly statusCode: number;
  /** It has left, or was sent away. */
  readonly destroyed: boolean;
  /** Sends it away; the exchange is ended by whoever hears of that. */
  destroy(): void;
}

/** A request as the rooms from the call to the record see it: a caller's, or one that mirrors a caller's. */
export interface CallExchange {
  readonly incoming: { readonly headers: IncomingHttpHeaders };
  readonly outgoing: Recipient;
  readonly operation: Operation;
  readonly ingress: Ingress;
  /** What the path says beside the body. */
  readonly path: IngressRoute['target'];
  readonly startNs: number;
  readonly startUnixMs: number;
  /** Empty until the group is known, of which it carries a hash; a failure before that gets one without. */
  id: string;
  readonly traceId: string;
  /** Whether the trace is the caller's. */
  readonly traceContinued: boolean;
  /** What we send on and answer with: the caller's trace, our span. */
  readonly traceparent: string;
  /** What its record says of the inference that it mirrors; null: it is a caller's own. */
  readonly mirror: MirrorFields | null;
  key: KeyRecord | null;
  request: ParsedRequest | null;
  organization: BoundOrganization | null;
  group: BoundGroup | null;
  assignment: Assignment | null;
  /** What the caller said about the request. */
  metadata: Metadata | null;
  target: UpstreamTarget | null;
  /** How the upstream's answer becomes the caller's; set with the call. */
  answering: Answering | null;
  /** The caller's parameters that were left out of the call. */
  dropped: readonly string[];
  /** The SHA-256 of a large request, under way. */
  requestDigest: Promise<void> | null;
  /** Its result, once it is there. */
  requestSha256: string | null;
  /** Set once the begin frame is written: from here on an end frame must follow. */
  begun: boolean;
  /** Set by the one call of `record`. */
  ended: boolean;
  /** The access token that its call carries, where it needs one. */
  token: string | null;
  dispatchNs: number | null;
  /** The upstream call under way, or the wait for its token, once there is one. An object and not closures: docs/decisions/0011. */
  attempt: UpstreamAttempt | null;
  attempts: AttemptRecord[];
}

/** One caller's request on its way through the rooms. Each room fills in its part; see handle-request.ts for the order. */
export interface Exchange extends CallExchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  heldBytes: number;
  /** The body's memory, where it came in several pieces. */
  gathered: Buffer | null;
  /** The body, kept until the end where the request is drawn to be mirrored. */
  drawn: Buffer | null;
  /** Set once the head of an event stream is sent that we read: then an error can be told inside it. */
  events: EventWriter | null;
}

/** What the record of a mirrored call has and others have not. */
export interface MirrorFields extends Pick<BeginRecord, 'experiment'> {
  readonly shadowOf: string;
}

/** Calls that repeat served requests at shadows, for whoever compares. Nothing here is waited for, and nothing throws. */
export interface Mirrors {
  /** Before the caller's call: keeps the body of a request that is drawn. Asked only where the group has shadows. */
  draw(exchange: Exchange, body: Buffer): void;
  /** Behind the end of the caller's answer: mirrors what was drawn and served, or counts why not. */
  follow(exchange: Exchange, ending: Ending, recorded: boolean): void;
}

/** One upstream call under way. */
export interface UpstreamAttempt {
  /** Ends the call, for an error of the upstream's if one is given; its listener hears nothing more. */
  cancel(error?: RingsideError): void;
  /** Lets go of an upstream whose answer is whole though it has not closed it. */
  settle(): void;
  /** Whether the transport has let go of the call and of the request's bytes. */
  readonly ended: boolean;
}

/** How an exchange ended, as `record` writes it down. */
export interface Ending {
  readonly status: number;
  readonly outcome: EndRecord['outcome'];
  readonly endReason: EndRecord['endReason'];
  readonly error: ErrorCode | null;
  readonly facts: ReplyFacts | null;
  readonly firstByteNs: number | null;
  readonly firstTokenNs: number | null;
  readonly responseType: string | null;
  readonly capture: BodyCapture | null;
  /** What the capture holds is a part of an answer, of which no more came. */
  readonly isCutOff?: boolean;
  /** Set where both sides went on for as long as they liked: only the end says how much the caller sent. */
  readonly session?: { readonly requestBytes: number };
}

/** Receives one upstream answer. `failed` may come at any time, also after `head`; nothing follows `end` or `failed`. */
export interface AnswerListener {
  head(status: number, headers: UpstreamHeaders, controller: UpstreamController): void;
  data(chunk: Buffer): void;
  end(): void;
  failed(error: RingsideError): void;
}
