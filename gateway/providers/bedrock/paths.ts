/** Where a model is asked. Ids hold colons, ARNs slashes, too: both must be encoded. */
export function chatPath(upstreamModel: string, stream: boolean): string {
  return `/model/${encodeURIComponent(upstreamModel)}/${stream ? 'converse-stream' : 'converse'}`;
}

/** `bedrock-runtime.eu-west-1.amazonaws.com`, the FIPS, VPC and China forms of it, and the names under `api.aws`. */
const HOST =
  /(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d+)\.(?:[a-z0-9-]+\.)*(?:amazonaws\.com(?:\.cn)?|api\.aws)$/;

/** The region in the name of an endpoint; null where it has another name, and the configuration must say it. */
export function regionOf(host: string): string | null {
  return HOST.exec(host)?.[1] ?? null;
}
