/** Where a model is asked. Ids hold colons, ARNs slashes, too: both must be encoded. */
export function chatPath(upstreamModel: string, stream: boolean): string {
  return `/model/${encodeURIComponent(upstreamModel)}/${stream ? 'converse-stream' : 'converse'}`;
}
