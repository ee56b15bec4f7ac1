export { readModels } from '#translation/wires/openai/models.ts';

/** Where the list of models is, below the provider's base URL. */
export const MODELS_PATH = '/models';
