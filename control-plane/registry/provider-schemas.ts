import { z } from '@hono/zod-openapi';
import { customProviderSchema } from '#core/custom-provider.ts';
import { nameSchema, PROVIDER_KINDS } from '#core/names.ts';
import { timeoutsSchema } from '#core/snapshot/schema.ts';

/** What a key must look like depends on the kind: core/provider-credentials. */
const apiKeySchema = z
  .union([z.string(), z.record(z.string(), z.unknown())], 'is neither a text nor an object')
  .openapi({
    description:
      'Write-only; answers hold a hint. A key, or a document, as an object or as its text: for `bedrock` an access key ' +
      '`{accessKeyId, secretAccessKey, sessionToken?, region?}`, for `google` on Vertex AI the key file of a service account, for ' +
      '`azure-openai` a client of Entra `{tenantId, clientId, clientSecret, authorityHost?, scope?}`.',
    example: 'sk-…',
  });
const definitionSchema = customProviderSchema.meta({
  description:
    'Of the kind `custom`, and required there: how the provider is asked and how its answers are read. See docs/custom-providers.md.',
});
const headersSchema = z.record(z.string(), z.string()).openapi({
  description: 'Extra request headers. Values are write-only.',
  example: { 'openai-organization': 'org-42' },
});
const baseUrlSchema = z.string().openapi({
  description:
    'Where the API starts, its version included (`/v1`, `/v1beta`); the bare origin for `bedrock`, `cohere`, `oip` and `azure-openai`, there ' +
    'with `?api-version=…` for the dated API. Use https for public hosts: plain http shows credentials and prompts to the ' +
    'network. Private and loopback addresses need RINGSIDE_PRIVATE_UPSTREAMS.',
  example: 'https://api.openai.com/v1',
});
const timeouts = z.strictObject(timeoutsSchema.shape).openapi({
  description:
    'In ms: for a connection, until the first byte, and between two pieces of an answer. What is left out is as the gateway has it; a change ' +
    'replaces all of them.',
});
const name = nameSchema.meta({ example: 'openai' });

export const createProviderSchema = z
  .strictObject({
    name,
    kind: z
      .enum(PROVIDER_KINDS)
      .openapi({ description: '`openai` fits every server that speaks that API. It cannot be changed later.' }),
    baseUrl: baseUrlSchema,
    apiKey: apiKeySchema.optional(),
    headers: headersSchema.optional(),
    timeouts: timeouts.optional(),
    definition: definitionSchema.optional(),
  })
  .openapi('CreateProvider');

export const updateProviderSchema = z
  .strictObject({
    name: name.optional(),
    baseUrl: baseUrlSchema.optional(),
    apiKey: apiKeySchema.nullable().optional().openapi({ description: 'Replaces the key; null removes it.' }),
    headers: headersSchema.nullable().optional().openapi({ description: 'Replaces all headers; null removes them.' }),
    timeouts: timeouts.optional(),
    definition: definitionSchema.optional(),
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
    definition: z
      .record(z.string(), z.unknown())
      .nullable()
      .openapi({ description: 'Null but for the kind `custom`.' }),
    version: z.int(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Provider');

export type CreateProvider = z.output<typeof createProviderSchema>;
export type UpdateProvider = z.output<typeof updateProviderSchema>;
export type ProviderView = z.output<typeof providerSchema>;
