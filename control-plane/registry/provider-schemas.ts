import { z } from '@hono/zod-openapi';
import { nameSchema, PROVIDER_KINDS } from '#core/names.ts';
import { timeoutsSchema } from '#core/snapshot/schema.ts';

const apiKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,8192}$/, 'is printable ASCII without spaces, at most 8192 characters')
  .openapi({ description: 'Write-only; answers hold a hint.', example: 'sk-…' });
const headersSchema = z.record(z.string(), z.string()).openapi({
  description: 'Extra request headers. Values are write-only.',
  example: { 'openai-organization': 'org-42' },
});
const baseUrlSchema = z.string().openapi({
  description:
    'Where the dialect starts, `/v1` included. Use https for public hosts: plain http shows credentials and prompts to the ' +
    'network. Private and loopback addresses need RINGSIDE_PRIVATE_UPSTREAMS.',
  example: 'https://api.openai.com/v1',
});
const timeouts = z.strictObject(timeoutsSchema.shape);
const name = nameSchema.meta({ example: 'openai' });

export const createProviderSchema = z
  .strictObject({
    name,
    kind: z.enum(PROVIDER_KINDS).openapi({ description: '`openai` fits every server that speaks that API.' }),
    baseUrl: baseUrlSchema,
    apiKey: apiKeySchema.optional(),
    headers: headersSchema.optional(),
    timeouts: timeouts.optional(),
  })
  .openapi('CreateProvider');

export const updateProviderSchema = z
  .strictObject({
    name: name.optional(),
    baseUrl: baseUrlSchema.optional(),
    apiKey: apiKeySchema.nullable().optional().openapi({ description: 'Replaces the key; null removes it.' }),
    headers: headersSchema.nullable().optional().openapi({ description: 'Replaces all headers; null removes them.' }),
    timeouts: timeouts.optional(),
  })
  .openapi('UpdateProvider');

export const providerSchema = z
  .object({
    id: z.uuid(),
    name: nameSchema,
    kind: z.string(),
    baseUrl: z.string(),
    apiKeyHint: z.string().nullable(),
    headerNames: z.array(z.string()),
    timeouts: timeoutsSchema,
    version: z.int(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Provider');

export type CreateProvider = z.output<typeof createProviderSchema>;
export type UpdateProvider = z.output<typeof updateProviderSchema>;
export type ProviderView = z.output<typeof providerSchema>;
