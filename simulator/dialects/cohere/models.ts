import type { Call } from '../../dialect.ts';

const CONTEXT_TOKENS = 256_000;

/** `GET /v1/models`: those with a behaviour of their own. */
export function listModels(): Call {
  return {
    kind: 'call',
    model: null,
    stream: false,
    answer: ({ models }) => {
      const body = JSON.stringify({
        models: models().map((name) => ({
          name,
          is_deprecated: false,
          endpoints: ['chat'],
          finetuned: false,
          context_length: CONTEXT_TOKENS,
          tokenizer_url: null,
          default_endpoints: [],
          features: ['json_mode', 'json_schema', 'tools', 'strict_tools'],
        })),
      });
      return { kind: 'plain', body, tokens: 0 };
    },
  };
}
