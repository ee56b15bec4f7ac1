import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { bindTarget, sessionPathOf } from '../bind-target.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../provider.ts';

/** A form's media type has its boundary: the call brings it. */
const form = (path: string) => ({ path, omits: ['content-type'] });

const PATHS = {
  chat: '/chat/completions',
  completions: '/completions',
  embeddings: '/embeddings',
  moderations: '/moderations',
  rerank: '/rerank',
  'image-generations': '/images/generations',
  'image-edits': form('/images/edits'),
  'image-variations': form('/images/variations'),
  speech: '/audio/speech',
  transcriptions: form('/audio/transcriptions'),
  translations: form('/audio/translations'),
  responses: '/responses',
};

/** Prepares calls to one deployment of OpenAI or a compatible server; `baseUrl` ends in the version (`…/v1`). */
export function bind(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  return bindTarget(deployment, credentials, defaults, {
    paths: PATHS,
    sessionPath: sessionPathOf(deployment.upstreamModel),
    authorization: credentials.apiKey === undefined ? {} : { authorization: `Bearer ${credentials.apiKey}` },
  });
}
