import type { ComparedAnswer } from '#core/shadow/measures.ts';
import type { CapturedRow } from '#store/captured-inferences.ts';
import type { PayloadRow } from '#store/inferences.ts';
import { requestOf } from '../inferences/captured.ts';
import { questionOf, type RequestedForm, requestedFormOf } from './requested-form.ts';
import type { SchemaChecker, SchemaQuestion } from './schema-checker.ts';

/** The form that an inference's request asked for; null when it asked for none, or was not captured whole. */
export function formOf(row: CapturedRow, payload: PayloadRow | undefined): RequestedForm | null {
  const request = requestOf(row, payload);
  if (row.operation !== 'chat' || request.kind === 'missing' || !request.isWhole) return null;
  return requestedFormOf(row.dialect, request.bytes);
}

/** Whether answers have the forms that were asked for; null where none was, or nobody can say. */
export async function checkForms(
  checker: SchemaChecker,
  answers: readonly { readonly form: RequestedForm | null; readonly answer: ComparedAnswer | null }[],
): Promise<(boolean | null)[]> {
  const questions = answers.map(({ form, answer }) =>
    form === null || answer?.kind !== 'chat' ? null : questionOf(form, answer),
  );
  const asked = questions.filter((question): question is SchemaQuestion => question !== null && question !== false);
  const checked = await checker.check(asked);
  let next = 0;
  return questions.map((question) => (question === null || question === false ? question : checked[next++]!));
}
