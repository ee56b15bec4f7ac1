/**
 * What a path below `/v2` asks for (Open Inference Protocol, version 2, REST). `group` is decoded. Paths with a version are none of ours:
 * which version answers is what a group decides.
 */
export type OipRoute =
  | { readonly kind: 'live' | 'ready' | 'server' }
  | { readonly kind: 'model' | 'model-ready' | 'infer'; readonly group: string };

const SERVER_ROUTES: Readonly<Record<string, OipRoute>> = {
  '/v2': { kind: 'server' },
  '/v2/': { kind: 'server' },
  '/v2/health/live': { kind: 'live' },
  '/v2/health/ready': { kind: 'ready' },
};
const MODEL = /^\/v2\/models\/([^/]+)(?:\/(ready|infer))?$/;

/** Null for paths that the protocol does not have. `infer` is a POST, everything else a GET. */
export function findRoute(path: string): OipRoute | null {
  const fixed = Object.hasOwn(SERVER_ROUTES, path) ? SERVER_ROUTES[path] : undefined;
  if (fixed !== undefined) return fixed;
  const match = MODEL.exec(path);
  if (match === null) return null;
  const group = decode(match[1]!);
  if (group === null) return null;
  const action = match[2];
  return { kind: action === 'infer' ? 'infer' : action === 'ready' ? 'model-ready' : 'model', group };
}

function decode(text: string): string | null {
  try {
    const decoded = decodeURIComponent(text);
    return decoded === '' ? null : decoded;
  } catch {
    return null;
  }
}
