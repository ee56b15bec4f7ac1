import { type IncomingMessage, request } from 'node:http';
import type { BedrockRuntimeClientConfig } from '@aws-sdk/client-bedrock-runtime';

/**
 * A request handler for AWS SDKs that speaks HTTP/1.1: that of the Bedrock Runtime's client speaks HTTP/2 only, also without
 * TLS, which neither the simulator nor our own client for upstreams does (AWS takes both).
 */
export function overHttp1(): NonNullable<BedrockRuntimeClientConfig['requestHandler']> {
  return {
    handle: (call: {
      method: string;
      hostname: string;
      port?: number;
      path: string;
      query?: Record<string, string>;
      headers: Record<string, string>;
      body?: string | Uint8Array;
    }) =>
      new Promise((resolve, reject) => {
        const query = new URLSearchParams(call.query).toString();
        const { method, hostname, port, headers } = call;
        const path = query === '' ? call.path : `${call.path}?${query}`;
        const sent = request({ method, hostname, port, path, headers }, (answer: IncomingMessage) =>
          resolve({
            response: {
              statusCode: answer.statusCode ?? 0,
              headers: answer.headers as Record<string, string>,
              body: answer,
            },
          }),
        );
        sent.on('error', reject);
        sent.end(call.body);
      }),
    updateHttpClientConfig: () => {},
    httpHandlerConfigs: () => ({}),
    destroy: () => {},
  } as unknown as NonNullable<BedrockRuntimeClientConfig['requestHandler']>;
}
