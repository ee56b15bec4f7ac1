import { type CustomChat, chatOf, parseCustomProvider } from '#core/custom-provider.ts';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { INFER } from '#gateway/wires/oip/wire.ts';
import { bindTarget } from '../bind-target.ts';
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
  const at = (path: CustomChat['path']) => pathOf(path, upstreamModel);
  const target = bindTarget(deployment, credentials, defaults, {
    paths: {
      ...(chat === null ? {} : { [HEADS.plain]: at(chat.path), [HEADS.stream]: at(chat.stream?.path ?? chat.path) }),
      ...(infer === undefined ? {} : { [INFER]: at(infer.path) }),
    },
    authorization: credentials.apiKey === undefined ? {} : { authorization: `Bearer ${credentials.apiKey}` },
  });
  return {
    ...target,
    ...(chat === null ? {} : { chat: compileChat(chat) }),
    errorMessage: compileOptional(errorMessage),
  };
}

function pathOf(path: CustomChat['path'], upstreamModel: string): string {
  return path.map((part) => `/${typeof part === 'string' ? part : encodeURIComponent(upstreamModel)}`).join('');
}
