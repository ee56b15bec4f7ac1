import { z } from 'zod';
import { nameSchema, PROVIDER_KINDS } from '#core/names.ts';
import { pricesSchema } from '#core/prices.ts';
import { ROLES } from '#core/weights.ts';
import { captureSchema, spoolPolicySchema } from './log-policy.ts';
import { shadowPolicySchema } from './shadow-policy.ts';
import { trafficPolicySchema } from './traffic-policy.ts';

/**
 * The configuration of one organization as gateways receive it: what the control plane publishes, what travels, and what
 * lies on disk as the last good copy. Secrets appear only as envelopes; API keys travel apart.
 */
const id = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
/** What every current chat model can write. */
export const DEFAULT_MAX_OUTPUT_TOKENS = 4_096;
export const maxOutputTokensSchema = z.int().min(1).max(10_000_000);

const rangeSchema = z.tuple([z.int().min(0).max(9_999), z.int().min(1).max(10_000)]);

export const timeoutsSchema = z.object({
  connectMs: z.int().min(1).max(600_000).optional(),
  firstByteMs: z.int().min(1).max(3_600_000).optional(),
  idleMs: z.int().min(1).max(3_600_000).optional(),
});

const providerSchema = z.object({
  id,
  name: nameSchema,
  kind: z.enum(PROVIDER_KINDS),
  baseUrl: z.url({ protocol: /^https?$/ }),
  /** Envelope of the JSON `{apiKey?: string, headers?: {[name]: value}}`; its context names table `providers` and this id. */
  credentials: z.string().nullable(),
  timeouts: timeoutsSchema,
  /** Of the kind `custom`: how it is asked and read (core/custom-provider.ts). */
  definition: z.record(z.string(), z.unknown()).optional(),
});

const modelSchema = z.object({
  id,
  name: nameSchema,
  createdAt: z.string(),
  deployments: z.array(z.object({ providerId: id, upstreamModel: z.string().min(1), weight: z.int().min(0) })).min(1),
  /** For providers that want a limit in every request, where the caller gave none; the model's `meta.maxOutputTokens`. */
  maxOutputTokens: maxOutputTokensSchema.default(DEFAULT_MAX_OUTPUT_TOKENS),
  /** The model's `meta.prices`; missing: what its calls cost is not known. */
  prices: pricesSchema.optional(),
});

const variantSchema = z.object({
  modelId: id,
  role: z.enum(ROLES),
  weightBp: z.int().min(0).max(10_000),
  ranges: z.array(rangeSchema),
});

/** The experiment that a group's inferences count in: which buckets count, in which arm. Buckets outside of all arms count in none. */
const groupExperimentSchema = z.object({
  id,
  phase: z.int().min(1),
  arms: z.array(z.object({ modelId: id, ranges: z.array(rangeSchema) })).min(1),
  correlationKey: z.string().nullable().default(null),
});

const groupSchema = z.object({
  id,
  name: nameSchema,
  createdAt: z.string(),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  hashVersion: z.int().min(1),
  phase: z.int().min(1),
  capture: captureSchema,
  log: spoolPolicySchema.prefault({}),
  traffic: trafficPolicySchema.prefault({}),
  /** Missing in documents of before there were mirrored calls: nothing is mirrored. */
  shadow: shadowPolicySchema.prefault({ sampleBp: 0 }),
  experiment: groupExperimentSchema.optional(),
  variants: z.array(variantSchema),
});

export const snapshotSchema = z.object({
  schema: z.literal(1),
  organizationId: id,
  organizationName: nameSchema,
  providers: z.array(providerSchema),
  models: z.array(modelSchema),
  groups: z.array(groupSchema),
});

export type SnapshotDocument = z.infer<typeof snapshotSchema>;
export type SnapshotProvider = SnapshotDocument['providers'][number];
export type SnapshotModel = SnapshotDocument['models'][number];
export type SnapshotGroup = SnapshotDocument['groups'][number];
export type SnapshotExperiment = NonNullable<SnapshotGroup['experiment']>;
export type Timeouts = z.infer<typeof timeoutsSchema>;
