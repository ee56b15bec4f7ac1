import { z } from 'zod';
import type { Answer, AnswerContext, Call, Problem } from '../../dialect.ts';
import { countTokens } from '../../tokens.ts';
import { badRequest } from './errors.ts';

const rerankRequest = z.object({
  model: z.string().min(1).max(256),
  query: z.string().min(1),
  documents: z.array(z.union([z.string(), z.looseObject({ text: z.string() })])).min(1),
  top_n: z.int().positive().nullish(),
  return_documents: z.boolean().nullish(),
});

type RerankRequest = z.output<typeof rerankRequest>;

/** `POST /v1/rerank`, as Jina and servers like vLLM have it: the more words a document shares with the query, the better. */
export function readRerank(body: unknown): Call | Problem {
  const parsed = rerankRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error, body);
  const request = parsed.data;
  return { kind: 'call', model: request.model, stream: false, answer: (context) => rerank(request, context) };
}

function rerank(request: RerankRequest, { behaviour }: AnswerContext): Answer {
  const { model, query, top_n: limit, return_documents: withDocuments } = request;
  const documents = request.documents.map((document) => (typeof document === 'string' ? document : document.text));
  const wanted = new Set(wordsOf(query));
  const results = documents
    .map((text, index) => {
      const shared = wordsOf(text).filter((word) => wanted.has(word)).length;
      const score = shared / (shared + 1);
      return { index, relevance_score: score, ...(withDocuments === false ? {} : { document: { text } }) };
    })
    .sort((a, b) => b.relevance_score - a.relevance_score || a.index - b.index)
    .slice(0, limit ?? documents.length);
  const counted = [query, ...documents].reduce((sum, text) => sum + countTokens(text), 0);
  const usage = behaviour.usage === 'missing' ? undefined : { total_tokens: behaviour.usage === 'zero' ? 0 : counted };
  return { kind: 'plain', body: JSON.stringify({ model, object: 'list', usage, results }), tokens: 0 };
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
