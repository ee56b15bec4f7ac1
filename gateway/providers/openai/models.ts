import { readModels } from '../../wires/openai/models.ts';
import type { ModelList } from '../model-list.ts';

/** Where the list of models is, below the provider's base URL. */
export const MODELS: ModelList = { method: 'GET', path: '/models', read: readModels };
