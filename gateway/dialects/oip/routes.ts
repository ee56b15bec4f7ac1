/**
 * What a path below `/v2` asks for (Open Inference Protocol, version 2, REST). `group` is decoded; a version may stand behind it where
 * the protocol allows one.
 */
export type OipRoute =
  | { readonly kind: 'live' | 'ready' | 'server' }
  | { readonly kind: 'model' | 'model-ready' | 'infer'; readonly group: string; readonly version: string | null };

const SERVER_ROUTES: Readonly<Record<string, OipRoute>> = {
  '/v2': { kind: 'server' },
  '/v2/': { kind: 'server' },
  '/v2/health/live': { kind: 'live' },
  '/v2/health/ready': { kind: 'ready' },
};
const MODEL = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(ready|infer))?$/;

/** Null for paths that the protocol does not have. `infer` is a POST, everything else a GET. */
export function findRoute(path: string): OipRoute | null {
  const fixed = Object.hasOwn(SERVER_ROUTES, path) ? SERVER_ROUTES[path] : undefined;
  if (fixed !== undefined) return fixed;
  const match = MODEL.exec(path);
  if (match === null) return null;
  const group = decode(match[1]!);
  const version = match[2] === undefined ? null : decode(match[2]);
  if (group === null || (match[2] !== undefined && version === null)) return null;
  const action = match[3];
  return { kind: action === 'infer' ? 'infer' : action === 'ready' ? 'model-ready' : 'model', group, version };
}

export function methodOf(route: OipRoute): 'GET' | 'POST' {
  return route.kind === 'infer' ? 'POST' : 'GET';
}

function decode(text: string): string | null {
  try {
    const decoded = decodeURIComponent(text);
    return decoded === '' ? null : decoded;
  } catch {
    return null;
  }
}
