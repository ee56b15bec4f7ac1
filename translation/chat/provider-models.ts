import { RingsideError } from '#core/errors.ts';

/** One model as a provider lists it. Null: it does not say. */
export interface ListedModel {
  readonly id: string;
  readonly displayName: string | null;
  /** Tokens of prompt and answer together. */
  readonly contextTokens: number | null;
  readonly createdUnixS: number | null;
}

/** Where a provider lists its models, behind its base URL, and how the list is read. Throws `upstream_protocol` for what is none. */
export interface ProviderModels {
  /** A POST takes `{}`. */
  readonly method: 'GET' | 'POST';
  readonly path: string;
  read(body: Buffer): readonly ListedModel[];
}

/** Throws `upstream_protocol` for what is no JSON. */
export function parseModelList(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new RingsideError('upstream_protocol', 'The upstream sent a list of models that is not JSON.', { cause });
  }
}
