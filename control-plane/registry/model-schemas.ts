import { z } from '@hono/zod-openapi';
import { nameSchema } from '#core/names.ts';
import { pricesSchema } from '#core/prices.ts';

const provider = nameSchema.meta({ description: "The provider's name or id.", example: 'openai' });
const upstreamModel = z
  .string()
  .min(1)
  .max(512)
  // It is a part of a provider's path: these would lead out of it.
  .refine((name) => !name.split('/').some((part) => part === '.' || part === '..'), 'has a part that is "." or ".."')
  .openapi({ description: 'What the provider calls the model.', example: 'gpt-4.1-mini' });
const metaSchema = z.record(z.string(), z.unknown()).openapi({
  description:
    'Anything. `maxOutputTokens`, a whole number from 1 to 10000000, is the limit that a provider gets which wants one in every request, ' +
    'where the caller gave none (4096 without it). `prices`, `{input, output, cachedInput}`, are whole micro-dollars per million tokens ($3 is ' +
    '3000000): every inference of the model then has its cost. `cachedInput` is for input that the provider had cached; left out, it costs ' +
    'what other input does. A model without output (embeddings) has `output` 0.',
  example: {
    team: 'search',
    maxOutputTokens: 8192,
    prices: { input: 400_000, output: 1_600_000, cachedInput: 100_000 },
  },
});
/** `prices` of the meta, which otherwise may hold anything: a field that is none of them would be a slip of the pen. */
export const metaPricesSchema = z.strictObject(pricesSchema.shape);
const weight = z.int().min(0).max(1_000_000);

const deploymentInputSchema = z.strictObject({
  provider,
  upstreamModel,
  weight: weight.optional().openapi({ description: 'Share among the deployments of this model; 1 if left out.' }),
  zone: z.string().min(1).max(128).optional(),
});
const deploymentsSchema = z.array(deploymentInputSchema).min(1).max(64).optional();

export const createModelSchema = z
  .strictObject({
    name: nameSchema.meta({ example: 'gpt-small' }),
    provider: provider.optional(),
    upstreamModel: upstreamModel.optional(),
    deployments: deploymentsSchema.openapi({ description: 'Instead of provider and upstreamModel.' }),
    meta: metaSchema.optional(),
  })
  .openapi('CreateModel');

export const updateModelSchema = z
  .strictObject({
    name: nameSchema.optional(),
    provider: provider.optional(),
    upstreamModel: upstreamModel.optional(),
    deployments: deploymentsSchema.openapi({ description: 'Replaces all deployments.' }),
    meta: metaSchema.optional().openapi({
      description:
        'A JSON merge patch (RFC 7396): null removes a field. `maxOutputTokens` and `prices` are read, see the creation.',
    }),
  })
  .openapi('UpdateModel');

export const modelSchema = z
  .object({
    id: z.uuid(),
    name: nameSchema,
    provider: z.string().optional().openapi({ description: 'Only when there is exactly one deployment.' }),
    upstreamModel: z.string().optional().openapi({ description: 'Only when there is exactly one deployment.' }),
    deployments: z.array(
      z.object({ provider: z.string(), upstreamModel: z.string(), weight: z.int(), zone: z.string().nullable() }),
    ),
    meta: z.record(z.string(), z.unknown()),
    version: z.int(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Model');

export type DeploymentInput = z.output<typeof deploymentInputSchema>;
export type CreateModel = z.output<typeof createModelSchema>;
export type UpdateModel = z.output<typeof updateModelSchema>;
export type ModelView = z.output<typeof modelSchema>;
