import { envelopeContext, type Keyring, open } from '#core/envelope.ts';
import { reasonOf } from '#core/reason.ts';
import {
  type CompiledDeployment,
  type CompiledGroup,
  type CompiledVariant,
  compileSnapshot,
} from '#core/snapshot/compile.ts';
import type { SnapshotDocument } from '#core/snapshot/schema.ts';
import type { SpoolTerms } from '#inference-log/spool-terms.ts';
import type { DefaultTimeouts, ProviderCredentials, UpstreamTarget } from '../providers/provider.ts';
import { ADAPTERS } from '../providers/registry.ts';
import { NONE, seriesKey } from '../telemetry/layout.ts';

/** A variant with everything a call needs, and its place in the metrics. */
export interface BoundVariant {
  readonly variant: CompiledVariant;
  readonly series: number;
  /** How its inferences are recorded. */
  readonly terms: SpoolTerms;
  /** The same order as `variant.deployments`. */
  readonly targets: readonly UpstreamTarget[];
}

export interface BoundGroup {
  readonly group: CompiledGroup;
  /** Series of requests that ended before a variant was assigned. */
  readonly series: number;
  readonly variants: readonly BoundVariant[];
}

/** One organization as a worker serves it. */
export interface BoundOrganization {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  /** Series of requests that named no group of ours. */
  readonly series: number;
  readonly groups: ReadonlyMap<string, BoundGroup>;
}

/** A document on its way to a worker, with the series numbers that the main thread gave out. */
export interface SnapshotDelivery {
  readonly version: number;
  readonly document: SnapshotDocument;
  readonly series: ReadonlyMap<string, number>;
}

/**
 * Compiles a document and opens its credentials. Throws when either fails; the document is then refused as a whole and the
 * one before stays.
 */
export function bindOrganization(
  delivery: SnapshotDelivery,
  keyring: Keyring,
  defaults: DefaultTimeouts,
): BoundOrganization {
  const compiled = compileSnapshot(delivery.document, delivery.version);
  const seriesOf = (group: string, variant: string) =>
    delivery.series.get(seriesKey({ organization: compiled.name, group, variant })) ?? 0;
  const targets = new Map<CompiledDeployment, UpstreamTarget>();
  const targetOf = (deployment: CompiledDeployment): UpstreamTarget => {
    let target = targets.get(deployment);
    if (target === undefined) {
      const credentials = openCredentials(compiled.id, deployment, keyring);
      target = ADAPTERS[deployment.provider.kind].bind(deployment, credentials, defaults);
      targets.set(deployment, target);
    }
    return target;
  };
  const groups = new Map<string, BoundGroup>();
  for (const group of compiled.groups.values()) {
    groups.set(group.name, {
      group,
      series: seriesOf(group.name, NONE),
      variants: group.variants.map((variant) => {
        const series = seriesOf(group.name, variant.model.name);
        const terms = Object.freeze({ ...group.log, account: series });
        return { variant, series, terms, targets: variant.deployments.map(targetOf) };
      }),
    });
  }
  return { id: compiled.id, name: compiled.name, version: delivery.version, series: seriesOf(NONE, NONE), groups };
}

function openCredentials(
  organizationId: string,
  deployment: CompiledDeployment,
  keyring: Keyring,
): ProviderCredentials {
  const { id, name, credentials } = deployment.provider;
  if (credentials === null) return {};
  try {
    return JSON.parse(
      open(keyring, envelopeContext(organizationId, 'providers', id), credentials),
    ) as ProviderCredentials;
  } catch (cause) {
    throw new Error(`the credentials of provider "${name}" do not open: ${reasonOf(cause)}`, { cause });
  }
}
