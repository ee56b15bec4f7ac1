import { describe, expect, test } from 'vitest';
import { part, refused, request, said, tool, write } from '#tests/support/anthropic-chat.ts';
import type { Settings } from '#translation/chat/request.ts';

/** What chats of other dialects say about thoughts, in Anthropic’s words (Anthropic API reference, "Messages", read 2026-11). */
describe('thoughts', () => {
  const think = (
    reasoning: Partial<NonNullable<Settings['reasoning']>>,
    settings: Partial<Settings> = {},
    model?: string,
  ) =>
    write(
      request({
        reasoning: { effort: null, budgetTokens: null, show: null, adaptive: false, ...reasoning },
        ...settings,
      }),
      model === undefined ? {} : { upstreamModel: model },
    ).body;

  test('an effort is a budget for older models, and raises a limit that the caller did not choose', () => {
    expect(think({ effort: 'low' })).toMatchObject({
      thinking: { type: 'enabled', budget_tokens: 2048 },
      max_tokens: 8192,
    });
    expect(think({ effort: 'high' })).toMatchObject({ thinking: { budget_tokens: 24_576 }, max_tokens: 24_576 + 8192 });
    expect(think({ effort: 'none' }).thinking).toEqual({ type: 'disabled' });
    expect(think({ show: true }).thinking).toBeUndefined();
    expect(think({ effort: 'low', show: true }).thinking.display).toBe('summarized');
  });

  test('it fits under the caller’s own limit; a budget that the caller gave is refused there', () => {
    expect(think({ effort: 'high' }, { maxTokens: 4000 })).toMatchObject({
      thinking: { budget_tokens: 2000 },
      max_tokens: 4000,
    });
    const tight = (reasoning: object, maxTokens: number) =>
      refused(
        request({
          reasoning: { effort: null, budgetTokens: null, show: null, adaptive: false, ...reasoning },
          maxTokens,
        }),
      );
    expect(tight({ effort: 'low' }, 1024)).toMatchObject({ param: 'caller.reasoning' });
    expect(tight({ budgetTokens: 5000 }, 4000)).toMatchObject({ param: 'caller.reasoning' });
  });

  test('newer models take an effort, and a budget as the nearest one that is not above it', () => {
    const newer = 'claude-opus-5-5';
    expect(think({ effort: 'minimal' }, {}, newer)).toMatchObject({
      thinking: { type: 'adaptive' },
      output_config: { effort: 'low' },
      max_tokens: 8192,
    });
    expect(think({ budgetTokens: 10_000 }, {}, newer).output_config).toEqual({ effort: 'medium' });
    expect(think({ adaptive: true }, {}, newer)).not.toHaveProperty('output_config');
    expect(think({ budgetTokens: 0 }, {}, newer).thinking).toEqual({ type: 'disabled' });
  });

  test('which models are the older ones', () => {
    const kind = (model: string) => think({ effort: 'low' }, {}, model).thinking.type;
    const older = [
      'claude-3-7-sonnet-20250219',
      'claude-sonnet-4-20250514',
      'claude-opus-4-1',
      'claude-haiku-4-5-20251001',
      'glm-5',
    ];
    const newer = [
      'claude-opus-4-6',
      'claude-sonnet-4-7',
      'claude-opus-4-10',
      'claude-sonnet-5',
      'claude-mythos-preview',
    ];
    expect(older.map(kind)).toEqual(older.map(() => 'enabled'));
    expect(newer.map(kind)).toEqual(newer.map(() => 'adaptive'));
  });

  test('what does not go with them is refused', () => {
    const reasoning = { effort: 'low', budgetTokens: null, show: null, adaptive: false } as const;
    expect(refused(request({ reasoning, temperature: 0.5 })).param).toBe('caller.temperature');
    expect(refused(request({ reasoning, topK: 5 })).param).toBe('caller.topK');
    expect(refused(request({ reasoning, topP: 0.5 })).param).toBe('caller.topP');
    const forced = request({ reasoning, toolChoice: { kind: 'required' } }, { tools: [tool('a')] });
    expect(refused(forced).param).toBe('caller.toolChoice');
    expect(write(forced, { lenient: true }).body.tool_choice).toBeUndefined();
    expect(write(request({ reasoning, temperature: 1, topP: 0.95 })).body).toMatchObject({
      temperature: 1,
      top_p: 0.95,
    });
  });

  test('other providers’ are left out, and said to be', () => {
    const reasoning = { ...part, type: 'reasoning', text: 'hm', signature: null, redacted: null } as const;
    const { body, dropped } = write(
      request(
        {},
        said([
          { ...reasoning, at: 'a', signature: { origin: 'openai', value: 'x' } },
          { ...reasoning, at: 'b' },
          { ...part, type: 'text', text: 'Hello', citations: [] },
        ]),
      ),
    );
    expect(body.messages[1].content).toEqual([{ type: 'text', text: 'Hello' }]);
    expect(dropped).toEqual(['a', 'b']);
  });
});
