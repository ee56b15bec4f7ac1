import type { Call, Problem } from '../../dialect.ts';
import { checkChat } from './chat-checks.ts';
import { streamChat } from './chat-chunks.ts';
import { draftChat } from './chat-draft.ts';
import { plainChat } from './chat-plain.ts';
import { chatRequest } from './chat-request.ts';
import { badRequest } from './errors.ts';

/** `POST /v1/chat/completions`. */
export function readChat(body: unknown): Call | Problem {
  const parsed = chatRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error, body);
  const request = parsed.data;
  const problem = checkChat(request);
  if (problem !== null) return problem;
  return {
    kind: 'call',
    model: request.model,
    stream: request.stream ?? false,
    answer: (context) => {
      const draft = draftChat(request, (body as { tools?: unknown }).tools, context);
      if (!request.stream) return plainChat(draft);
      const asksUsage = request.stream_options?.include_usage ?? false;
      return streamChat(draft, asksUsage, context.behaviour.usage === 'on-last-choice');
    },
  };
}
