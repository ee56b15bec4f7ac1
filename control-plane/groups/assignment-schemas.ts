import { z } from '@hono/zod-openapi';
import { ROLES } from '#core/weights.ts';

export const assignmentQuerySchema = z.strictObject({
  unit: z.string().min(1).max(1_024).openapi({
    description: 'What the assignment sticks to, as the application sends it (`x-ringside-unit` or `user`).',
    example: 'user-1234',
  }),
});

export const assignmentViewSchema = z
  .object({
    unit: z.string(),
    bucket: z.int().openapi({ description: 'Of [0, 10 000), from the salted hash of the unit.' }),
    hashVersion: z.int(),
    range: z.object({ from: z.int(), to: z.int() }).openapi({ description: 'What holds the bucket, `[from, to)`.' }),
    variant: z.string(),
    role: z.enum(ROLES),
    phase: z.int(),
    experiment: z
      .object({ id: z.uuid(), phase: z.int(), arm: z.int() })
      .nullable()
      .openapi({ description: 'Where its inferences count; null: in no experiment.' }),
    configVersion: z.int().openapi({ description: 'The configuration that says so: the newest one.' }),
    explanation: z.string(),
  })
  .openapi('Assignment');

export type AssignmentQuery = z.output<typeof assignmentQuerySchema>;
export type AssignmentView = z.output<typeof assignmentViewSchema>;
