import { type ListedModel, type ProviderModels, parseModelList } from '#translation/chat/provider-models.ts';

/** The models that are loaded, each version under its pinned name where there are several. */
export function readModels(body: unknown): ListedModel[] {
  const list: unknown[] = Array.isArray(body) ? body : [];
  const loaded = list.filter(
    (item): item is { name: string; version?: unknown } =>
      typeof item === 'object' &&
      item !== null &&
      typeof (item as { name?: unknown }).name === 'string' &&
      ((item as { state?: unknown }).state ?? 'READY') === 'READY',
  );
  return loaded.map(({ name, version }) => {
    const isOnly = loaded.filter((other) => other.name === name).length === 1;
    const id = isOnly || typeof version !== 'string' || version === '' ? name : `${name}/versions/${version}`;
    return { id, displayName: null, contextTokens: null, createdUnixS: null };
  });
}

/** The protocol itself lists no models; Triton, MLServer and OpenVINO have this extension. It is asked with a POST of `{}`. */
export const MODELS: ProviderModels = {
  method: 'POST',
  path: '/v2/repository/index',
  read: (body) => readModels(parseModelList(body)),
};
