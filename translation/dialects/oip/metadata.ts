/** `GET /v2`. The extensions of Triton and others are none of ours. */
export function serverBody(version: string): string {
  return JSON.stringify({ name: 'ringside', version, extensions: [] });
}

/**
 * `GET /v2/models/{group}`. A group stands for several models whose tensors the gateway does not know, so that both lists are
 * empty; clients that need them ask the model's own server.
 */
export function modelBody(group: string): string {
  return JSON.stringify({ name: group, versions: [], platform: 'ringside', inputs: [], outputs: [] });
}

/** `GET /v2/health/live`. */
export function liveBody(live: boolean): string {
  return JSON.stringify({ live });
}

/** `GET /v2/health/ready`. */
export function readyBody(ready: boolean): string {
  return JSON.stringify({ ready });
}

/** `GET /v2/models/{group}/ready`. */
export function modelReadyBody(group: string, ready: boolean): string {
  return JSON.stringify({ name: group, ready });
}
