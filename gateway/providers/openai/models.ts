import type { ProviderModels } from '#translation/chat/provider-models.ts';
import { readModels } from '#translation/wires/openai/models.ts';

/** Where the list of models is, below the provider's base URL. */
export const MODELS: ProviderModels = { method: 'GET', path: '/models', read: readModels };
