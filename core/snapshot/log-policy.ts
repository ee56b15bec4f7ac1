import { z } from 'zod';

/**
 * What a group's inference log keeps, how durably, and for how long. Fields that a document of an earlier release lacks get
 * their default, so that such a document stays valid.
 */

/** What is looked for in every text that is kept; core/redaction finds it. */
const DETECTORS = ['email', 'phone', 'card', 'iban'] as const;

const MAX_PATHS = 100;
const MAX_PATTERNS = 50;
const MAX_PATTERN_LENGTH = 1_000;

export const redactionSchema = z.object({
  detectors: z.array(z.enum(DETECTORS)).max(DETECTORS.length).default([]),
  /** Places of a JSON body whose value is replaced whole: `messages.*.content`, `metadata.ssn`; `*` is any key or index. */
  paths: z
    .array(
      z
        .string()
        .regex(/^[^.\s]+(\.[^.\s]+)*$/, 'is keys joined by dots, * for any: messages.*.name')
        .max(200),
    )
    .max(MAX_PATHS)
    .default([]),
  /** Named patterns in RE2's syntax, which no text can make slow. */
  patterns: z
    .array(
      z.object({
        name: z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/, 'is up to 32 lower-case letters, digits, _ and -'),
        pattern: z.string().min(1).max(MAX_PATTERN_LENGTH),
      }),
    )
    .max(MAX_PATTERNS)
    .default([]),
});

export const captureSchema = z.object({
  /** `sampled` keeps the bodies of some inferences, see `sampleBp`, and every inference's metadata. */
  mode: z.enum(['none', 'sampled', 'full']),
  /** Bytes kept of each side; beyond them length and SHA-256 only. */
  maxBytes: z.int().min(0).max(1_048_576),
  /** How many of 10 000 inferences keep their bodies when `mode` is `sampled`; drawn from the inference id. */
  sampleBp: z.int().min(0).max(10_000).default(1_000),
  redaction: redactionSchema.default({ detectors: [], paths: [], patterns: [] }),
});

/** What an acknowledged inference survives: a slow store, a killed gateway, a host without power. */
const DURABILITIES = ['memory', 'process', 'disk'] as const;

/** What becomes of a request while the spool cannot take more. */
const FULL_SPOOL_POLICIES = ['shed', 'serve-unlogged', 'metadata-only'] as const;

/** How much time one partition of a group's tables holds. */
const PARTITION_SPANS = ['day', 'week', 'month'] as const;

/** What is made of a partition before retention drops it. */
const ARCHIVE_FORMATS = ['none', 'jsonl', 'parquet'] as const;

/** The part of a group's policy that gateways act on. */
export const spoolPolicySchema = z.object({
  durability: z.enum(DURABILITIES).default('process'),
  whenSpoolFull: z.enum(FULL_SPOOL_POLICIES).default('shed'),
});

export const logPolicySchema = spoolPolicySchema.extend({
  partitionBy: z.enum(PARTITION_SPANS).default('week'),
  /** Partitions that ended so many days ago are dropped; null: none is. */
  retentionDays: z.int().min(1).max(36_500).nullable().default(null),
  archive: z.enum(ARCHIVE_FORMATS).default('none'),
});

export type RedactionPolicy = z.infer<typeof redactionSchema>;
export type Capture = z.infer<typeof captureSchema>;
export type SpoolPolicy = z.infer<typeof spoolPolicySchema>;
export type LogPolicy = z.infer<typeof logPolicySchema>;

export const DEFAULT_CAPTURE: Capture = captureSchema.parse({ mode: 'full', maxBytes: 65_536 });
export const DEFAULT_LOG_POLICY: LogPolicy = logPolicySchema.parse({});
