import type { IncomingMessage } from 'node:http';
import { RingsideError } from '#core/errors.ts';
import { checkUnit } from '#core/unit.ts';
import type { ParsedRequest } from '#translation/dialects/ingress.ts';

const PATH = '/v1/realtime';
/** How OpenAI's SDK sends its key from browsers, which cannot set headers (openai-node, `realtime/websocket`). */
const KEY_PROTOCOL = 'openai-insecure-api-key.';
/** Subprotocols that say how the session is spoken. The others carry keys, or choose an organization or project at OpenAI. */
const PASSED_PROTOCOLS: ReadonlySet<string> = new Set(['realtime', 'openai-beta.realtime-v1']);
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const SOCKET_KEY = /^[A-Za-z0-9+/]{22}==$/;
/** Browsers can set no headers: the unit may stand in the query. */
const UNIT_PARAM = 'x-ringside-unit';
const QUERY: ReadonlySet<string> = new Set(['model', UNIT_PARAM]);

/** A session as its handshake asks for it. */
export interface SessionRequest {
  readonly parsed: ParsedRequest;
  /** For the upstream. */
  readonly protocols: readonly string[];
}

/** Whether a path (with or without a query) is that of sessions. */
export function isSessionPath(url: string): boolean {
  return url === PATH || url.startsWith(`${PATH}?`);
}

/** Whether a request asks for a session over WebSocket; other upgrades are not offered here, and are answered over HTTP. */
export function isSessionRequest({ method, url, headers }: IncomingMessage): boolean {
  return method === 'GET' && isSessionPath(url!) && /(?:^|,)\s*websocket\s*(?:,|$)/i.test(headers.upgrade ?? '');
}

/** The key as `Bearer …`: from `Authorization`, else from the subprotocol of OpenAI's browser client. */
export function sessionKey({ headers }: IncomingMessage): string | undefined {
  if (headers.authorization !== undefined) return headers.authorization;
  const offered = offeredProtocols(headers['sec-websocket-protocol']);
  const found = offered.find((protocol) => protocol.startsWith(KEY_PROTOCOL));
  return found === undefined ? undefined : `Bearer ${found.slice(KEY_PROTOCOL.length)}`;
}

/**
 * Reads the handshake: the group is `model` of the query, the unit `x-ringside-unit` of the query or `OpenAI-Safety-Identifier`.
 * @throws bad_request or unsupported_parameter, naming the parameter
 */
export function readSessionRequest(incoming: IncomingMessage): SessionRequest {
  const { headers } = incoming;
  checkHandshake(incoming);
  const query = new URLSearchParams(incoming.url!.slice(PATH.length));
  for (const name of query.keys()) {
    if (QUERY.has(name)) continue;
    const message = `The parameter "${name.slice(0, 100)}" is not known to sessions here; they take "model".`;
    throw new RingsideError('unsupported_parameter', message, { param: name.slice(0, 100) });
  }
  const models = query.getAll('model');
  if (models.length !== 1) {
    throw new RingsideError('bad_request', 'The query must have one "model": the name of a model group.', {
      param: 'model',
    });
  }
  const safety = headers['openai-safety-identifier'];
  const unit = query.get(UNIT_PARAM) ?? (typeof safety === 'string' ? safety : null);
  return {
    parsed: {
      model: models[0]!,
      modelSpan: null,
      stream: true,
      user: unit === null ? null : checkUnit(unit, UNIT_PARAM),
      metadata: null,
      hideUsage: false,
      insertion: null,
      refused: [],
    },
    protocols: offeredProtocols(headers['sec-websocket-protocol']).filter((protocol) => PASSED_PROTOCOLS.has(protocol)),
  };
}

/** RFC 6455, section 4.2.1: what the handshake must have, so that its own library has nothing left to refuse. */
function checkHandshake({ headers }: IncomingMessage): void {
  const bad = (message: string) => new RingsideError('bad_request', message);
  if (headers['sec-websocket-version'] !== '13') throw bad('The WebSocket version must be 13.');
  if (!SOCKET_KEY.test(headers['sec-websocket-key'] ?? '')) throw bad('The Sec-WebSocket-Key is not valid.');
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
    throw bad('A WebSocket handshake has no body.');
  }
  const offered = offeredProtocols(headers['sec-websocket-protocol']);
  if (!offered.every((protocol) => TOKEN.test(protocol)) || new Set(offered).size !== offered.length) {
    throw bad('The Sec-WebSocket-Protocol is not a list of different names.');
  }
}

function offeredProtocols(header: string | undefined): readonly string[] {
  return header === undefined ? [] : header.split(',').map((protocol) => protocol.trim());
}
