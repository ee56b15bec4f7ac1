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
import { type BoundMirror, bindMirror } from '../shadow/bind-mirror.ts';
import { NONE, seriesKey } from '../telemetry/layout.ts';
import { bindEndpoint } from '../upstream/request-head.ts';

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
  /** Null where nothing is mirrored. */
  readonly mirror: BoundMirror | null;
}

/** One organization as a worker serves it. */
export interface BoundOrganization {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  /** Series of requests that named no group of ours. */
  readonly series: number;
  readonly groups: ReadonlyMap<string, BoundGroup>;
  /** Providers that cannot be called as they are configured, and why: one sentence each. */
  readonly faults: readonly string[];
}

/** A document on its way to a worker, with the series numbers that the main thread gave out. */
export interface SnapshotDelivery {
  readonly version: number;
  readonly document: SnapshotDocument;
  readonly series: ReadonlyMap<string, number>;
}

/**
 * Compiles a document and opens its credentials. Throws when either fails; the document is then refused as a whole and the
 * one before stays. Credentials that open and are of no use to their kind are the matter of their provider alone: its calls are
 * answered with 502, and everything else is served.
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
      target = bindTarget(deployment, credentials, defaults);
      targets.set(deployment, target);
    }
    return target;
  };
  const documents = new Map(delivery.document.groups.map((group) => [group.id, group]));
  const groups = new Map<string, BoundGroup>();
  for (const group of compiled.groups.values()) {
    const variants = group.variants.map((variant) => {
      const series = seriesOf(group.name, variant.model.name);
      const terms = Object.freeze({ ...group.log, account: series });
      return { variant, series, terms, targets: variant.deployments.map(targetOf) };
    });
    const mirror = bindMirror(documents.get(group.id)!, variants);
    groups.set(group.name, { group, series: seriesOf(group.name, NONE), variants, mirror });
  }
  const faults = new Set([...targets].flatMap(([{ provider }, { access }]) => faultOf(provider.name, access)));
  const { id, name } = compiled;
  return { id, name, version: delivery.version, series: seriesOf(NONE, NONE), groups, faults: [...faults] };
}

/** A target that cannot be called stays in its place, so that weights and metrics are what was configured. */
function bindTarget(
  deployment: CompiledDeployment,
  credentials: ProviderCredentials,
  defaults: DefaultTimeouts,
): UpstreamTarget {
  const { provider, upstreamModel, maxOutputTokens } = deployment;
  try {
    return ADAPTERS[provider.kind].bind(deployment, credentials, defaults);
  } catch (error) {
    return {
      kind: provider.kind,
      providerName: provider.name,
      upstreamModel,
      endpoint: bindEndpoint(new URL(provider.baseUrl).origin, defaults.connectMs),
      heads: {},
      access: { kind: 'unusable', reason: reasonOf(error) },
      model: { upstreamModel, defaultMaxTokens: maxOutputTokens },
      modelJson: Buffer.from(JSON.stringify(upstreamModel)),
      firstByteTimeoutMs: defaults.firstByteMs,
      idleTimeoutMs: defaults.idleMs,
      secrets: [],
    };
  }
}

function faultOf(name: string, access: UpstreamTarget['access']): string[] {
  return access?.kind === 'unusable' ? [`the provider "${name}" cannot be called: ${access.reason}`] : [];
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
