import type { Problem } from '../../dialect.ts';
import { broken, EXTRA_INPUT } from './errors.ts';
import type { Block, MessagesRequest, Prompt } from './schema.ts';
import { isSigned } from './signatures.ts';

/** The version since which sampling is not the caller's to set (its page on the migration to it, read 2026-11). */
export const NEWEST_VERSION = '2026-10-21';

/** What the API refuses beyond the shape of a field (its pages on tool use and on thinking, read 2026-11). */
export function checkPrompt(prompt: Prompt): Problem | null {
  const turns = joinTurns(prompt);
  if (turns[0]?.role !== 'user') return broken('messages', 'first message must use the "user" role');
  for (const [index, turn] of turns.entries()) {
    const problem = checkTurn(turn, turns[index - 1], turns[index + 1]);
    if (problem !== null) return problem;
  }
  const choice = prompt.tool_choice;
  if (choice !== undefined && (prompt.tools ?? []).length === 0) {
    return broken('tool_choice', 'tool_choice may only be specified while providing tools');
  }
  if (isThinking(prompt) && (choice?.type === 'any' || choice?.type === 'tool')) {
    return broken('tool_choice', 'Thinking may not be enabled when tool_choice forces tool use.');
  }
  return null;
}

/** The rules of a request that also wants an answer. */
export function checkRequest(request: MessagesRequest, version: unknown): Problem | null {
  for (const field of ['temperature', 'top_p', 'top_k'] as const) {
    if (version === NEWEST_VERSION && request[field] !== undefined) return broken(field, EXTRA_INPUT);
  }
  const { thinking, max_tokens: maxTokens } = request;
  if (thinking?.type === 'enabled' && thinking.budget_tokens >= maxTokens) {
    return broken('max_tokens', '`max_tokens` must be greater than `thinking.budget_tokens`.');
  }
  if (isThinking(request)) {
    if ((request.temperature ?? 1) !== 1) {
      return broken('temperature', '`temperature` may only be set to 1 when thinking is enabled.');
    }
    if (request.top_k !== undefined) return broken('top_k', '`top_k` must be unset when thinking is enabled.');
    if ((request.top_p ?? 1) < 0.95) {
      return broken('top_p', '`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.');
    }
  }
  return checkPrompt(request);
}

export function isThinking({ thinking }: Pick<Prompt, 'thinking'>): boolean {
  return thinking?.type === 'enabled' || thinking?.type === 'adaptive';
}

interface Turn {
  readonly at: string;
  readonly role: 'user' | 'assistant' | 'system';
  readonly blocks: readonly Block[];
}

/** Neighbours of one role are one turn. */
export function joinTurns({ messages }: Prompt): Turn[] {
  const turns: Turn[] = [];
  messages.forEach(({ role, content }, index) => {
    const blocks: Block[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
    const last = turns.at(-1);
    if (last?.role === role) turns[turns.length - 1] = { ...last, blocks: [...last.blocks, ...blocks] };
    else turns.push({ at: `messages.${index}`, role, blocks });
  });
  return turns;
}

const ASSISTANT_ONLY: ReadonlySet<string> = new Set(['tool_use', 'thinking', 'redacted_thinking']);
const USER_ONLY: ReadonlySet<string> = new Set(['tool_result', 'image', 'document']);

function checkTurn(turn: Turn, before: Turn | undefined, after: Turn | undefined): Problem | null {
  const { at, role, blocks } = turn;
  if (blocks.length === 0 && !(role === 'assistant' && after === undefined)) {
    return broken(at, `${role} messages must have non-empty content`);
  }
  const misplaced = blocks.find(({ type }) => (role === 'assistant' ? USER_ONLY : ASSISTANT_ONLY).has(type));
  if (misplaced !== undefined)
    return broken(at, `\`${misplaced.type}\` blocks are not allowed in \`${role}\` messages`);
  return role === 'assistant' ? checkCalls(turn, after) : checkResults(turn, before);
}

function checkCalls({ at, blocks }: Turn, after: Turn | undefined): Problem | null {
  const unsigned = blocks.findIndex((block) => block.type === 'thinking' && !isSigned(block.signature));
  if (unsigned !== -1) return broken(`${at}.content.${unsigned}`, 'Invalid `signature` in `thinking` block');
  const altered = blocks.findIndex((block) => block.type === 'redacted_thinking' && !isSigned(block.data));
  if (altered !== -1) return broken(`${at}.content.${altered}`, 'Invalid `data` in `redacted_thinking` block');
  const results = new Set(after?.blocks.flatMap((block) => (block.type === 'tool_result' ? [block.tool_use_id] : [])));
  const open = blocks.flatMap((block) => (block.type === 'tool_use' && !results.has(block.id) ? [block.id] : []));
  if (open.length === 0) return null;
  return broken(
    at,
    `\`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open.join(', ')}.`,
  );
}

function checkResults({ at, blocks }: Turn, before: Turn | undefined): Problem | null {
  const calls = new Set(before?.blocks.flatMap((block) => (block.type === 'tool_use' ? [block.id] : [])));
  let sawOther = false;
  for (const [index, block] of blocks.entries()) {
    if (block.type !== 'tool_result') sawOther = true;
    else if (sawOther) return broken(`${at}.content.${index}`, '`tool_result` blocks must come before other content');
    else if (!calls.has(block.tool_use_id)) {
      return broken(
        `${at}.content.${index}`,
        `unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${block.tool_use_id}.`,
      );
    }
  }
  return null;
}
