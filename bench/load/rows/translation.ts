import { addGroup, type Installation } from '../../peers/ringside/installation.ts';
import { type StartedRingside, startRingside } from '../../peers/ringside/peer.ts';
import { alternate, compare, type Measured, SERVING_THREADS, type Side, spreadOf } from '../alternating.ts';
import type { Line, RowFamily } from '../row.ts';
import { chatBody } from '../side.ts';

const CONNECTIONS = 64;
const PROMPT_BYTES = 1_000;
const CLAUDE = 'bench-claude';
const TARGET = { atLeast: 0.6 } as const;

const OPENAI = 'OpenAI in, OpenAI out';
const ANTHROPIC = 'Anthropic in, Anthropic out';
const TO_ANTHROPIC = 'OpenAI in, Anthropic out';
const TO_OPENAI = 'Anthropic in, OpenAI out';

/** P5: what it costs to translate a chat, beside the same chat in one dialect. */
export const translation: RowFamily = {
  id: 'P5',
  title: 'translated dialects against the same dialect in and out',
  async measure(field) {
    const prepare = async ({ api }: Installation) => {
      const baseUrl = `${field.upstreamUrl}/v1`;
      await api('POST', '/providers', { name: 'claude', kind: 'anthropic', baseUrl, apiKey: 'sk-bench' });
      const models = ['claude-1', 'claude-2'];
      for (const name of models) await api('POST', '/models', { name, provider: 'claude', upstreamModel: 'bench' });
      await addGroup(api, CLAUDE, {}, models);
    };
    const ours = await startRingside(field, { prepare });
    try {
      return linesOf(await alternate(field, 'P5', sidesOf(ours)));
    } finally {
      await ours.stop();
    }
  },
};

function sidesOf({ pid, url, headers, model }: StartedRingside): Side[] {
  const anthropicUrl = url.replace('/chat/completions', '/messages');
  const side = (name: string, to: string, body: string): Side => ({
    ...{ name, pid, threads: SERVING_THREADS },
    run: { url: to, headers, body, connections: CONNECTIONS },
  });
  const message = (group: string) => JSON.stringify({ max_tokens: 100, ...JSON.parse(chatBody(group, PROMPT_BYTES)) });
  return [
    side(OPENAI, url, chatBody(model, PROMPT_BYTES)),
    side(TO_ANTHROPIC, url, chatBody(CLAUDE, PROMPT_BYTES)),
    side(ANTHROPIC, anthropicUrl, message(CLAUDE)),
    side(TO_OPENAI, anthropicUrl, message(model)),
  ];
}

function linesOf(results: ReadonlyMap<string, readonly Measured[]>): Line[] {
  return [
    lineOf(results, TO_ANTHROPIC, OPENAI, TARGET),
    lineOf(results, TO_OPENAI, ANTHROPIC, TARGET),
    lineOf(results, ANTHROPIC, OPENAI, null),
  ];
}

function lineOf(
  results: ReadonlyMap<string, readonly Measured[]>,
  ours: string,
  theirs: string,
  target: Line['target'],
): Line {
  const [our, their] = [results.get(ours)!, results.get(theirs)!];
  const rate = compare(our, their, 'requestsPerS');
  const cpu = compare(our, their, 'requestsPerCpuS');
  return {
    row: 'P5',
    what: `small chat, ${CONNECTIONS} connections: ${ours}`,
    unit: 'req/s',
    ours: rate.ours,
    peer: { name: `Ringside, ${theirs}`, value: rate.theirs },
    compared: rate.ratio,
    target,
    remark: `${spreadOf(rate, our.length)}; requests per CPU second of the serving thread ${cpu.ratio.toFixed(2)} ×`,
  };
}
