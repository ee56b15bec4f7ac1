import type { ProviderKind } from '#core/names.ts';
import { openaiAdapter } from './openai/adapter.ts';
import type { ProviderAdapter } from './provider.ts';

/** Every provider kind and its adapter: adding one is a folder and a line here. */
export const ADAPTERS: Readonly<Record<ProviderKind, ProviderAdapter>> = { openai: openaiAdapter };
