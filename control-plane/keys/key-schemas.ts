import { z } from '@hono/zod-openapi';
import { nameSchema } from '#core/names.ts';

const groups = z
  .array(nameSchema)
  .min(1)
  .max(1_000)
  .nullable()
  .openapi({ description: 'Names or ids of the groups that the key may call; null: all.', example: ['support-chat'] });
const defaultUnit = z
  .string()
  .min(1)
  .max(256)
  .nullable()
  .openapi({ description: 'The unit of requests that name none themselves.' });
const expiresAt = z.iso
  .datetime({ offset: true })
  .nullable()
  .openapi({ description: 'In the future; null: never.', example: '2030-01-01T00:00:00Z' });

export const createKeySchema = z
  .strictObject({
    name: nameSchema.meta({ example: 'help-centre' }),
    groups: groups.optional(),
    defaultUnit: defaultUnit.optional(),
    expiresAt: expiresAt.optional(),
  })
  .openapi('CreateKey');

export const updateKeySchema = z
  .strictObject({
    name: nameSchema.optional(),
    groups: groups.optional(),
    defaultUnit: defaultUnit.optional(),
    expiresAt: expiresAt.optional(),
  })
  .openapi('UpdateKey');

export const keySchema = z
  .object({
    id: z.uuid(),
    name: nameSchema,
    hint: z.string(),
    groups: z.array(z.string()).nullable().openapi({ description: 'Null: every group of the organization.' }),
    defaultUnit: z.string().nullable(),
    expiresAt: z.iso.datetime().nullable(),
    version: z.int(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Key');

export const createdKeySchema = keySchema
  .extend({ key: z.string().openapi({ description: 'The key, shown only here.' }) })
  .openapi('CreatedKey');

export type CreateKey = z.output<typeof createKeySchema>;
export type UpdateKey = z.output<typeof updateKeySchema>;
export type KeyView = z.output<typeof keySchema>;
