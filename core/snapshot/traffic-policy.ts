import { z } from 'zod';

/** How a group's requests travel. Fields that a document of an earlier release lacks get their default. */
export const trafficPolicySchema = z.object({
  /**
   * What becomes of a parameter that the provider cannot be told: refused with 400 (false), or left out, which the answer says in
   * `x-ringside-dropped` (true). Content is never left out.
   */
  lenient: z.boolean().default(false),
  /** After so long a silence a stream gets a comment that clients skip, so that nothing on the way closes it; 0: none. */
  keepAliveMs: z.int().min(0).max(600_000).default(15_000),
});

export type TrafficPolicy = z.infer<typeof trafficPolicySchema>;

export const DEFAULT_TRAFFIC_POLICY: TrafficPolicy = trafficPolicySchema.parse({});
