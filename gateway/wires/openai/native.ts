import type { NativeWire } from '../../providers/provider.ts';
import { readReply } from './reply-facts.ts';
import { openStream } from './tap.ts';

const EVENT_STREAM = /^text\/event-stream\b/i;

/**
 * Keys by which OpenAI-compatible upstreams choose another model, endpoint or credential on their own: OpenRouter (models,
 * provider, route, plugins, preset), LiteLLM (fallbacks, api_base, base_url, api_key, …), Portkey and Helicone proxies (config), Azure
 * (data_sources: addresses and credentials of indexes that it searches).
 */
const REFUSED_KEYS = [
  'models',
  'provider',
  'providers',
  'route',
  'router',
  'preset',
  'plugins',
  'fallbacks',
  'fallback',
  'context_window_fallbacks',
  'model_list',
  'deployment_id',
  'api_base',
  'base_url',
  'api_key',
  'api_version',
  'organization',
  'extra_headers',
  'extra_body',
  'config',
  'data_sources',
] as const;

/** OpenAI's dialect as it is: for providers that speak it themselves. Heads are named as the operations are. */
export const openaiNative: NativeWire = {
  refusedKeys: REFUSED_KEYS,
  forwardedHeaders: ['accept', 'openai-beta', 'idempotency-key'],
  headName: (operation) => operation,
  isStream: (contentType) => EVENT_STREAM.test(contentType),
  readReply,
  openStream,
};
