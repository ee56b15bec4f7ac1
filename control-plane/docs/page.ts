import type { ApiDocument, ApiOperation, ApiParameter, ApiResponse, ApiSchema } from './document.ts';
import { Html, html, prose } from './html.ts';
import { DOCS_STYLE } from './style.ts';

interface Entry {
  readonly method: string;
  readonly path: string;
  readonly operation: ApiOperation;
}

/** Renders the reference page of an OpenAPI document: one self-contained HTML text without scripts. */
export function renderDocsPage(document: ApiDocument): string {
  const entries = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Entry => ({ method, path, operation })),
  );
  const tags = (document.tags ?? []).map((tag) => ({
    ...tag,
    entries: entries.filter((entry) => entry.operation.tags?.includes(tag.name)),
  }));
  const schemas = document.components?.schemas ?? {};
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${document.info.title}</title>
<style>${new Html(DOCS_STYLE)}</style>
</head>
<body>
<nav aria-label="Operations">
<p class="brand"><a href="#top">Ringside</a></p>
${tags.map((tag) => html`<p class="tag">${tag.name}</p><ul>${tag.entries.map(navItem)}</ul>`)}
</nav>
<main id="top">
<h1>${document.info.title}</h1>
<p class="lead">${prose(document.info.description ?? '')}</p>
<p>Send an admin token with each request: <code>Authorization: Bearer rsa_…</code>. The same reference for machines:
<a href="/openapi.json">openapi.json</a>.</p>
${tags.map(
  (tag) => html`<section>
<h2 id="${tag.name}">${tag.name}</h2><p>${prose(tag.description ?? '')}</p>
${tag.entries.map((entry) => operationCard(entry, schemas))}
</section>`,
)}
</main>
</body>
</html>`.text;
}

function navItem({ method, operation }: Entry): Html {
  return html`<li><a href="#${operation.operationId}"><b class="${method}">${method.toUpperCase()}</b> ${operation.summary ?? ''}</a></li>
`;
}

type Schemas = Readonly<Record<string, ApiSchema>>;

function operationCard(entry: Entry, schemas: Schemas): Html {
  const { method, path, operation } = entry;
  const body = operation.requestBody?.content['application/json'];
  return html`<article id="${operation.operationId}">
<h3><b class="${method}">${method.toUpperCase()}</b> <code>${path}</code> <span>${operation.summary ?? ''}</span></h3>
${(operation.description ?? '').split('\n\n').map((part) => html`<p>${prose(part)}</p>`)}
${operation.parameters === undefined ? '' : parameterTable(operation.parameters)}
${body?.schema === undefined ? '' : html`<details><summary>Request body</summary>${schemaView(body.schema, schemas)}</details>`}
${Object.entries(operation.responses)
  .filter(succeeds)
  .map(([status, response]) => successView(status, response, schemas))}
<details><summary>Refusals</summary><dl>${Object.entries(operation.responses)
    .filter((each) => !succeeds(each))
    .map(([status, { description }]) => html`<dt>${status}</dt><dd>${prose(description ?? '')}</dd>`)}</dl></details>
<pre tabindex="0"><code>${curlOf(entry, body?.example)}</code></pre>
</article>`;
}

function succeeds([status]: readonly [string, ApiResponse]): boolean {
  return status.startsWith('2');
}

function successView(status: string, response: ApiResponse, schemas: Schemas): Html {
  const [content] = Object.values(response.content ?? {});
  if (content?.schema === undefined) return html`<p>Answers <b>${status}</b> without a body.</p>`;
  return html`<details><summary>Answer ${status}</summary>${schemaView(content.schema, schemas)}
<pre tabindex="0"><code>${exampleText(content.example)}</code></pre></details>`;
}

/** An answer that is no JSON has its example as it is. */
function exampleText(example: unknown): string {
  return typeof example === 'string' ? example : (JSON.stringify(example, null, 2) ?? '');
}

function parameterTable(parameters: readonly ApiParameter[]): Html {
  const row = (
    parameter: ApiParameter,
  ) => html`<tr><td><code>${parameter.name}</code>${required(parameter.required)}</td>
<td>${parameter.in}</td><td>${typeName(parameter.schema ?? {})}</td><td>${prose(describe(parameter))}</td></tr>`;
  return html`<details><summary>Parameters</summary><table>
<thead><tr><th>Name</th><th>In</th><th>Type</th><th>Meaning</th></tr></thead><tbody>${parameters.map(row)}</tbody>
</table></details>`;
}

function describe(parameter: ApiParameter): string {
  return parameter.description ?? parameter.schema?.description ?? '';
}

function required(yes: boolean | undefined): Html {
  return yes === true ? html` <em>required</em>` : html``;
}

/** A schema as a list of its fields; named schemas are written out where they are used. */
function schemaView(schema: ApiSchema, schemas: Schemas): Html {
  const resolved = resolve(schema, schemas);
  const fields = Object.entries(resolved.properties ?? {});
  if (fields.length === 0) {
    const inner =
      resolved.items ?? (typeof resolved.additionalProperties === 'object' ? resolved.additionalProperties : undefined);
    const about = html`<p>${typeName(resolved)} ${prose(resolved.description ?? '')}</p>`;
    return inner === undefined ? about : html`${about}${schemaView(inner, schemas)}`;
  }
  return html`<ul class="fields">${fields.map(([name, field]) => {
    const target = resolve(field, schemas);
    const nested = resolve(target.items ?? target, schemas);
    return html`<li><code>${name}</code> <i>${typeName(target)}</i>${required(resolved.required?.includes(name))} ${prose(
      field.description ?? target.description ?? '',
    )}${nested.properties === undefined ? '' : schemaView(nested, schemas)}</li>`;
  })}</ul>`;
}

/** Follows references and joins what `allOf` and a nullable `anyOf` split. */
function resolve(schema: ApiSchema, schemas: Schemas): ApiSchema {
  if (schema.$ref !== undefined) return resolve(schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, schemas);
  const parts = schema.allOf ?? schema.anyOf?.filter((part) => part.type !== 'null');
  if (parts === undefined) return schema;
  const resolved = parts.map((part) => resolve(part, schemas));
  const properties = Object.assign({}, ...resolved.map((part) => part.properties));
  const own = schema.description === undefined ? {} : { description: schema.description };
  return Object.assign({}, ...resolved, Object.keys(properties).length === 0 ? {} : { properties }, own);
}

function typeName(schema: ApiSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const types = (typeof schema.type === 'string' ? [schema.type] : (schema.type ?? ['any'])).join(' | ');
  const limits = [schema.minimum, schema.maximum].every((limit) => limit !== undefined && Math.abs(limit) < 2 ** 53 - 1)
    ? ` ${schema.minimum}–${schema.maximum}`
    : '';
  return `${types}${schema.format === undefined ? '' : ` (${schema.format})`}${limits}`;
}

function curlOf({ method, path, operation }: Entry, example: unknown): string {
  const named = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'id' ? '$ID' : '$NAME'));
  const lines = [`curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}"$RINGSIDE_URL${named}"`];
  lines.push('  -H "Authorization: Bearer $ADMIN_TOKEN"');
  if (operation.requestBody !== undefined) {
    lines.push('  -H "Content-Type: application/json"', `  -d '${JSON.stringify(example)}'`);
  }
  return lines.join(' \\\n');
}
