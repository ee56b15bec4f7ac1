import { groupHashOf } from '#core/ids.ts';
import { reasonOf } from '#core/reason.ts';
import { compileRedactor, type Redactor } from '#core/redaction/redactor.ts';
import { compileSplit, type Split } from '#core/split/assign.ts';
import { isAssigned } from '#core/weights.ts';
import { type CompiledExperiment, compileExperiment } from './experiment.ts';
import type { Capture, SpoolPolicy } from './log-policy.ts';
import type { SnapshotDocument, SnapshotGroup, SnapshotModel, SnapshotProvider } from './schema.ts';
import type { TrafficPolicy } from './traffic-policy.ts';

/** One deployment with its provider looked up. */
export interface CompiledDeployment {
  readonly provider: SnapshotProvider;
  readonly upstreamModel: string;
  /** How much the model may write where a provider wants to be told and the caller said nothing, in tokens. */
  readonly maxOutputTokens: number;
  /** Sum of the weights up to and including this one, for a cumulative pick. */
  readonly cumulativeWeight: number;
}

export interface CompiledVariant {
  readonly model: SnapshotModel;
  readonly role: SnapshotGroup['variants'][number]['role'];
  readonly weightBp: number;
  readonly deployments: readonly CompiledDeployment[];
}

export interface CompiledGroup {
  readonly id: string;
  readonly name: string;
  readonly createdUnixS: number;
  /** 12 bits that every inference id of the group carries. */
  readonly hash: number;
  readonly phase: number;
  readonly capture: Capture;
  /** Null where everything is kept as it is. */
  readonly redactor: Redactor | null;
  readonly log: SpoolPolicy;
  readonly traffic: TrafficPolicy;
  readonly variants: readonly CompiledVariant[];
  /** Null while the group has no variants: it exists, and answers 503 with a hint. */
  readonly split: Split | null;
  /** Null where no experiment runs. */
  readonly experiment: CompiledExperiment | null;
}

/** One organization's configuration, ready to serve: only look-ups are left to do. */
export interface CompiledOrganization {
  readonly id: string;
  readonly name: string;
  /** The snapshot version that this configuration was published as. */
  readonly version: number;
  readonly groups: ReadonlyMap<string, CompiledGroup>;
}

/**
 * Compiles a checked document. Pure. Throws a TypeError that names what is wrong (a dangling reference, a duplicate name,
 * ranges that do not match the weights, …); the caller then refuses the whole document.
 */
export function compileSnapshot(document: SnapshotDocument, version: number): CompiledOrganization {
  const providers = unique(document.providers, 'provider', (provider) => provider.id);
  const models = unique(document.models, 'model', (model) => model.id);
  const groups = new Map<string, CompiledGroup>();
  for (const group of document.groups) {
    if (groups.has(group.name)) throw new TypeError(`group "${group.name}" appears twice`);
    groups.set(group.name, compileGroup(group, models, providers));
  }
  return Object.freeze({ id: document.organizationId, name: document.organizationName, version, groups });
}

function compileGroup(
  group: SnapshotGroup,
  models: ReadonlyMap<string, SnapshotModel>,
  providers: ReadonlyMap<string, SnapshotProvider>,
): CompiledGroup {
  const variants = group.variants.map((variant): CompiledVariant => {
    const model = models.get(variant.modelId);
    if (model === undefined) throw new TypeError(`group "${group.name}" names the unknown model ${variant.modelId}`);
    const owned = variant.ranges.reduce((sum, [from, to]) => sum + to - from, 0);
    if (owned !== variant.weightBp) {
      throw new TypeError(
        `group "${group.name}": "${model.name}" owns ${owned} buckets, its weight is ${variant.weightBp}`,
      );
    }
    return Object.freeze({
      model,
      role: variant.role,
      weightBp: variant.weightBp,
      deployments: compileDeployments(model, providers),
    });
  });
  const assigned = group.variants.some((variant) => isAssigned(variant.role));
  return Object.freeze({
    id: group.id,
    name: group.name,
    createdUnixS: Math.floor(Date.parse(group.createdAt) / 1000),
    hash: groupHashOf(group.id),
    phase: group.phase,
    capture: group.capture,
    redactor: compilePart(group, () => compileRedactor(group.capture.redaction)),
    log: group.log,
    traffic: group.traffic,
    variants: Object.freeze(variants),
    split: assigned
      ? compileSplit(
          group.salt,
          group.hashVersion,
          group.variants.map((variant) => variant.ranges),
        )
      : null,
    experiment: compilePart(group, () =>
      group.experiment === undefined ? null : compileExperiment(group.experiment, group.variants),
    ),
  });
}

/** Names the group in what is thrown. */
function compilePart<Part>(group: SnapshotGroup, compile: () => Part): Part {
  try {
    return compile();
  } catch (cause) {
    throw new TypeError(`group "${group.name}": ${reasonOf(cause)}`, { cause });
  }
}

function compileDeployments(
  model: SnapshotModel,
  providers: ReadonlyMap<string, SnapshotProvider>,
): readonly CompiledDeployment[] {
  let cumulativeWeight = 0;
  const compiled = model.deployments.map((deployment) => {
    const provider = providers.get(deployment.providerId);
    if (provider === undefined) {
      throw new TypeError(`model "${model.name}" names the unknown provider ${deployment.providerId}`);
    }
    cumulativeWeight += deployment.weight;
    const { maxOutputTokens } = model;
    return Object.freeze({ provider, upstreamModel: deployment.upstreamModel, maxOutputTokens, cumulativeWeight });
  });
  if (cumulativeWeight === 0) throw new TypeError(`every deployment of model "${model.name}" has weight 0`);
  return Object.freeze(compiled);
}

/** The deployment that a uniform number in [0, 1) picks, by weight. Weight 0 is never picked. */
export function pickDeployment(deployments: readonly CompiledDeployment[], uniform: number): CompiledDeployment {
  const target = uniform * deployments[deployments.length - 1]!.cumulativeWeight;
  return deployments.find((deployment) => target < deployment.cumulativeWeight)!;
}

function unique<Item>(items: readonly Item[], what: string, key: (item: Item) => string): Map<string, Item> {
  const map = new Map<string, Item>();
  for (const item of items) {
    if (map.has(key(item))) throw new TypeError(`${what} ${key(item)} appears twice`);
    map.set(key(item), item);
  }
  return map;
}
