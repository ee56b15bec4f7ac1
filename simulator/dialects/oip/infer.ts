import { z } from 'zod';
import type { Answer, AnswerContext, Call, Problem } from '../../dialect.ts';
import { createRandom, hashText } from '../../random.ts';

const tensor = z.object({
  name: z.string().min(1),
  shape: z.array(z.int().min(0)).min(1),
  datatype: z.string(),
  data: z.array(z.unknown()),
});

const inferRequest = z.object({
  id: z.string().optional(),
  inputs: z.array(tensor).min(1),
  outputs: z.array(z.object({ name: z.string().min(1) })).optional(),
});

type InferRequest = z.output<typeof inferRequest>;

/** How many numbers an output has for each row of the first input. */
const CLASSES = 3;
const VERSION = '1';

/** `POST /v2/models/{model}[/versions/{version}]/infer`: the same tensors in, the same tensors out. */
export function readInfer(model: string, version: string | undefined, body: unknown): Call | Problem {
  const parsed = inferRequest.safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue === undefined || issue.path.length === 0 ? null : z.core.toDotPath(issue.path);
    return { kind: 'bad-request', message: `${field ?? 'request'}: ${issue?.message}`, field, missing: false };
  }
  const fault = parsed.data.inputs.map(faultOf).find((message) => message !== null);
  if (fault !== undefined) return { kind: 'bad-request', message: fault, field: null, missing: false };
  return {
    kind: 'call',
    model,
    stream: false,
    answer: (context) => infer(parsed.data, model, version ?? VERSION, context),
  };
}

/** Data may be flat or nested; either way there must be as much of it as the shape says. */
function faultOf({ name, shape, data }: InferRequest['inputs'][number]): string | null {
  const wanted = shape.reduce((product, size) => product * size, 1);
  const got = data.flat(Number.POSITIVE_INFINITY).length;
  return wanted === got ? null : `input '${name}' got unexpected elements count ${got}, expected ${wanted}`;
}

/** A distribution over classes for each row, as a model for tables or pictures gives one. */
function infer({ id, inputs, outputs }: InferRequest, model: string, version: string, { seed }: AnswerContext): Answer {
  const rows = inputs[0]!.shape[0]!;
  const digest = inputs
    .map(({ name, data }) => `${name} ${JSON.stringify(data.flat(Number.POSITIVE_INFINITY))}`)
    .join(' ');
  const made = (outputs ?? [{ name: 'output__0' }]).map(({ name }) => {
    const random = createRandom(`infer ${seed} ${model} ${version} ${name} ${hashText(digest)}`);
    const data = Array.from({ length: rows }, () => {
      const weights = Array.from({ length: CLASSES }, () => random() + 1e-3);
      const sum = weights.reduce((total, weight) => total + weight, 0);
      return weights.map((weight) => Math.fround(weight / sum));
    }).flat();
    return { name, datatype: 'FP32', shape: [rows, CLASSES], data };
  });
  const body = { model_name: model, model_version: version, ...(id === undefined ? {} : { id }), outputs: made };
  return { kind: 'plain', body: JSON.stringify(body), tokens: 0 };
}
