import { type CustomChat, chatOf, parseCustomProvider } from '#core/custom-provider.ts';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { INFER } from '#gateway/wires/oip/wire.ts';
import { bindEndpoint, bindHead } from '../../upstream/request-head.ts';
import type { DefaultTimeouts, ProviderCredentials } from '../provider.ts';
import { compileChat, HEADS } from './chat.ts';
import type { CustomTarget } from './errors.ts';
import { compileOptional } from './pointer.ts';

/**
 * Prepares calls to one deployment of a provider whose API is declared; the definition's paths go behind `baseUrl`.
 * @throws TypeError naming the field of a definition that does not check
 */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): CustomTarget {
  const { provider, upstreamModel } = deployment;
  const parsed = parseCustomProvider(provider.definition);
  if (parsed.kind === 'invalid') {
    const [issue] = parsed.issues;
    throw new TypeError(
      `the definition of provider "${provider.name}" is not valid: ${issue?.field} ${issue?.message}`,
    );
  }
  const { errorMessage, infer } = parsed.provider;
  const chat = chatOf(parsed.provider);
  const base = new URL(provider.baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const headers = new Map(Object.entries({ 'content-type': 'application/json', 'user-agent': 'ringside' }));
  if (credentials.apiKey !== undefined) headers.set('authorization', `Bearer ${credentials.apiKey}`);
  for (const [name, value] of Object.entries(credentials.headers ?? {})) headers.set(name.toLowerCase(), value);
  headers.set('accept-encoding', 'identity');
  const head = (path: CustomChat['path']) =>
    bindHead(base.origin, prefix + pathOf(path, upstreamModel), [...headers].flat());
  return {
    kind: provider.kind,
    providerName: provider.name,
    upstreamModel,
    endpoint: bindEndpoint(base.origin, provider.timeouts.connectMs ?? defaults.connectMs),
    heads: {
      ...(chat === null
        ? {}
        : { [HEADS.plain]: head(chat.path), [HEADS.stream]: head(chat.stream?.path ?? chat.path) }),
      ...(infer === undefined ? {} : { [INFER]: head(infer.path) }),
    },
    ...(chat === null ? {} : { chat: compileChat(chat) }),
    errorMessage: compileOptional(errorMessage),
    modelJson: Buffer.from(JSON.stringify(upstreamModel)),
    model: { upstreamModel, defaultMaxTokens: deployment.maxOutputTokens },
    firstByteTimeoutMs: provider.timeouts.firstByteMs ?? defaults.firstByteMs,
    idleTimeoutMs: provider.timeouts.idleMs ?? defaults.idleMs,
    secrets: [credentials.apiKey, ...Object.values(credentials.headers ?? {})].filter(
      (secret): secret is string => secret !== undefined && secret.length >= 6,
    ),
  };
}

function pathOf(path: CustomChat['path'], upstreamModel: string): string {
  return path.map((part) => `/${typeof part === 'string' ? part : encodeURIComponent(upstreamModel)}`).join('');
}
