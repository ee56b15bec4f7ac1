import type { ProviderModels } from '#translation/chat/provider-models.ts';
import { readModels } from '#translation/wires/openai/models.ts';

/**
 * Behind a base URL that ends in `/v1`: the models of the resource. Which of them are deployed, and under which name, only Azure's
 * resource manager says; the names that are called here are the deployments'.
 */
export const MODELS: ProviderModels = { method: 'GET', path: '/models', read: readModels };
