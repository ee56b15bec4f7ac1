import type { ParsedCredentials } from '#core/provider-credentials/document.ts';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindEndpoint, bindHead } from '../upstream/request-head.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from './provider.ts';

/** Shorter texts are no secrets: they would be cut out of answers that happen to hold them. */
const MIN_SECRET_LENGTH = 6;

/** A head that is not quite like the others. */
interface HeadSpec {
  readonly path: string;
  /** Headers that this one leaves out: the call brings its own. */
  readonly omits: readonly string[];
}

/** What one kind says of its calls. */
export interface TargetSpec {
  /** Paths behind the base URL's, by the name of their head; they may have a query. */
  readonly paths: Readonly<Record<string, string | HeadSpec>>;
  /** What the provider calls the model in bodies, where that is not what the deployment says. */
  readonly modelName?: string;
  /** Where realtime sessions are opened, behind the base URL's path; missing where there are none. */
  readonly sessionPath?: string;
  /** Headers that carry the credentials; the provider's own headers go over them. */
  readonly authorization: Readonly<Record<string, string>>;
  /** More texts to keep secret, where the key is a document that holds them. */
  readonly secrets?: readonly string[];
  /** Where the calls need a token. */
  readonly access?: UpstreamTarget['access'];
}

/**
 * The credentials in a key that is checked.
 * @throws TypeError that names the field at fault and never holds a value
 */
export function usable<Credentials>(parsed: ParsedCredentials<Credentials>): Credentials {
  if (parsed.kind === 'invalid') throw new TypeError(`its apiKey ${parsed.message}`);
  return parsed.credentials;
}

/** Prepares calls to one deployment of a kind that speaks JSON over HTTP. */
export function bindTarget(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
  { paths, modelName, sessionPath, authorization, secrets = [], access }: TargetSpec,
): UpstreamTarget {
  const { provider, upstreamModel, maxOutputTokens } = deployment;
  const base = new URL(provider.baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const headers = new Map(Object.entries({ 'content-type': 'application/json', 'user-agent': 'ringside' }));
  for (const [name, value] of Object.entries(authorization)) headers.set(name, value);
  for (const [name, value] of Object.entries(credentials.headers ?? {})) headers.set(name.toLowerCase(), value);
  // Answers must be readable on their way through.
  headers.set('accept-encoding', 'identity');
  const head = (spec: string | HeadSpec) => {
    const { path, omits } = typeof spec === 'string' ? { path: spec, omits: [] } : spec;
    const kept = [...headers].filter(([name]) => !omits.includes(name)).flat();
    return bindHead(base.origin, `${prefix}${path}`, kept);
  };
  const heads = Object.entries(paths).map(([name, spec]) => [name, head(spec)]);
  return {
    kind: provider.kind,
    providerName: provider.name,
    upstreamModel,
    endpoint: bindEndpoint(base.origin, provider.timeouts.connectMs ?? defaults.connectMs),
    heads: Object.fromEntries(heads),
    ...(access === undefined ? {} : { access }),
    ...(sessionPath === undefined ? {} : { session: bindSession(`${prefix}${sessionPath}`, headers) }),
    model: { upstreamModel, defaultMaxTokens: maxOutputTokens, host: base.hostname },
    modelJson: Buffer.from(JSON.stringify(modelName ?? upstreamModel)),
    firstByteTimeoutMs: provider.timeouts.firstByteMs ?? defaults.firstByteMs,
    idleTimeoutMs: provider.timeouts.idleMs ?? defaults.idleMs,
    secrets: [...new Set([credentials.apiKey, ...Object.values(credentials.headers ?? {}), ...secrets])].filter(
      (secret): secret is string => secret !== undefined && secret.length >= MIN_SECRET_LENGTH,
    ),
  };
}

/** A handshake has no body, and nothing in it is compressed. */
function bindSession(path: string, headers: ReadonlyMap<string, string>): UpstreamTarget['session'] {
  const kept = [...headers].filter(([name]) => name !== 'content-type' && name !== 'accept-encoding');
  return { path, headers: Object.fromEntries(kept) };
}

/** OpenAI's path of sessions, with the model that they are for. */
export function sessionPathOf(upstreamModel: string): string {
  return `/realtime?${new URLSearchParams({ model: upstreamModel })}`;
}
