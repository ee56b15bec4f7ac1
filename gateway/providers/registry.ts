import { PROVIDER_KINDS, type ProviderKind } from '#core/names.ts';
import type { ProviderAdapter } from './provider.ts';

/**
 * Every provider kind and its adapter. A kind is a folder of its name here and its line in `PROVIDER_KINDS`; the folder's `adapter.ts`
 * exports `adapter`.
 */
export const ADAPTERS: Readonly<Record<ProviderKind, ProviderAdapter>> = await load();

async function load(): Promise<Record<ProviderKind, ProviderAdapter>> {
  const entries = PROVIDER_KINDS.map(async (kind) => {
    const module = (await import(`./${kind}/adapter.ts`)) as { readonly adapter: ProviderAdapter };
    return [kind, module.adapter] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<ProviderKind, ProviderAdapter>;
}
