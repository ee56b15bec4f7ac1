import type { InferenceRow, PayloadRow } from '#store/inferences.ts';
import { type CapturedSide, requestOf, responseOf } from './captured.ts';
import { chatAnswerOf, openAiChatOf } from './chat-answer.ts';
import { csvColumns, csvLine } from './csv.ts';
import type { ExportFormat } from './inference-query.ts';
import { inferenceView, payloadViews } from './view.ts';

/** An inference as an export sees it. */
export interface Exported {
  readonly row: InferenceRow;
  readonly groupName: string;
  readonly payload: PayloadRow | undefined;
}

/** How a format writes inferences. */
export interface ExportLines {
  readonly contentType: string;
  readonly extension: string;
  /** What stands before the first row. */
  readonly head: string;
  readonly withPayloads: boolean;
  /** One row with its line end; null when the format has no place for it. */
  readonly line: (exported: Exported) => string | null;
}

export const EXPORT_LINES: Readonly<Record<ExportFormat, ExportLines>> = {
  jsonl: {
    contentType: 'application/x-ndjson',
    extension: 'jsonl',
    head: '',
    withPayloads: true,
    line: ({ row, groupName, payload }) =>
      `${JSON.stringify({ ...inferenceView(row, groupName), ...payloadViews(row, payload) })}\n`,
  },
  csv: {
    contentType: 'text/csv; charset=utf-8; header=present',
    extension: 'csv',
    head: csvLine(csvColumns.map(({ name }) => name)),
    withPayloads: false,
    line: ({ row, groupName }) => {
      const view = inferenceView(row, groupName);
      return csvLine(csvColumns.map(({ of }) => of(view)));
    },
  },
  'openai-chat': {
    contentType: 'application/x-ndjson',
    extension: 'jsonl',
    head: '',
    withPayloads: true,
    line: chatLine,
  },
};

/** A line of OpenAI's fine-tuning format: the messages with the answer behind them. Only of what is whole. */
function chatLine({ row, payload }: Exported): string | null {
  if (row.operation !== 'chat' || row.outcome !== 'completed' || row.status !== 200) return null;
  const request = wholeText(requestOf(row, payload));
  const response = wholeText(responseOf(row, payload));
  if (request === undefined || response === undefined) return null;
  const answer = chatAnswerOf(row.dialect, response, payload?.response_type ?? null);
  if (answer === undefined || !answer.isWhole) return null;
  const chat = openAiChatOf(row.dialect, request, answer);
  if (chat === undefined) return null;
  const { messages, tools } = chat;
  return `${JSON.stringify({ messages, ...(tools.length === 0 ? {} : { tools }) })}\n`;
}

/** The text of a side, redacted or not; undefined when it is not all there. */
function wholeText(side: CapturedSide): string | undefined {
  return side.kind === 'kept' && side.isWhole ? side.bytes.toString('utf8') : undefined;
}
