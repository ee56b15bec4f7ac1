import type { DeploymentRow } from '#store/models.ts';
import type { Tx } from '#store/pool.ts';
import { findProvider } from '#store/providers.ts';
import { type Issue, invalid, refuseIssues } from '../problem.ts';
import type { DeploymentInput, UpdateModel } from './model-schemas.ts';

/** The part of a model's request that says where it runs: the shorthand or the list. */
type Placement = Pick<UpdateModel, 'provider' | 'upstreamModel' | 'deployments'>;

/** A deployment with its provider found. `field` is how the request named the provider. */
interface WantedDeployment {
  readonly input: DeploymentInput;
  readonly field: string;
}

/**
 * The deployments that a request wants; undefined when it says nothing of them. A shorthand with one of its two fields
 * keeps the other one of the present deployment, if there is exactly one.
 * @throws Problem `invalid`
 */
export function wantedDeployments(
  body: Placement,
  present: readonly DeploymentRow[],
): readonly WantedDeployment[] | undefined {
  const shorthand = body.provider !== undefined || body.upstreamModel !== undefined;
  if (body.deployments !== undefined) {
    if (shorthand) refuse('deployments', 'send either deployments or provider and upstreamModel, not both');
    if (body.deployments.every((deployment) => deployment.weight === 0)) {
      refuse('deployments', 'at least one deployment must have a weight above 0');
    }
    return body.deployments.map((input, index) => ({ input, field: `deployments[${index}].provider` }));
  }
  if (!shorthand) return undefined;
  if (present.length > 1) refuse('deployments', 'this model has several deployments; send all of them as deployments');
  const [only] = present;
  const provider = body.provider ?? only?.provider;
  const upstreamModel = body.upstreamModel ?? only?.upstream_model;
  if (provider === undefined) return refuse('provider', 'is required');
  if (upstreamModel === undefined) return refuse('upstreamModel', 'is required');
  const zone = only?.zone ?? undefined;
  return [{ input: { provider, upstreamModel, ...(zone === undefined ? {} : { zone }) }, field: 'provider' }];
}

/** Finds the providers, and holds them until the end of the transaction. @throws Problem `invalid` for unknown ones */
export async function deploymentRows(
  tx: Tx,
  organizationId: string,
  modelId: string,
  wanted: readonly WantedDeployment[],
) {
  const issues: Issue[] = [];
  const rows = [];
  for (const [position, { input, field }] of wanted.entries()) {
    const provider = await findProvider(tx, organizationId, input.provider, 'share');
    if (provider === undefined) issues.push({ field, message: `there is no provider "${input.provider}"` });
    rows.push({
      model_id: modelId,
      position,
      organization_id: organizationId,
      provider_id: provider?.id ?? '',
      upstream_model: input.upstreamModel,
      weight: input.weight ?? 1,
      zone: input.zone ?? null,
    });
  }
  refuseIssues(issues);
  return rows;
}

function refuse(field: string, message: string): never {
  throw invalid([{ field, message }]);
}
