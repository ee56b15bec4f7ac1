import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { unixMsOfId } from '#core/ids.ts';
import { type CapturedRig, createCapturedRig, type LogStoreUnderTest } from '#tests/support/captured-rig.ts';
import { CHAT_REQUEST, chatCompletion, pairOf } from '#tests/support/planted-pairs.ts';
import { endRecord, GROUP_ID, KEY_ID, newInferenceId } from '#tests/support/records.ts';

const DAY_MS = 86_400_000;
const NEVER = 'not in the log after a day: never brought, or removed';
const STRUCTURED = JSON.stringify({
  ...JSON.parse(CHAT_REQUEST),
  response_format: { type: 'json_schema', json_schema: { name: 'f', schema: { type: 'object', required: ['n'] } } },
});
const valid = { request: STRUCTURED, response: chatCompletion('{"n":1}') };
const invalid = { request: STRUCTURED, response: chatCompletion('{}') };

/** All that waits is due, and has waited for so long. */
export async function age({ admin }: CapturedRig, ms: number): Promise<void> {
  const made = { created_at: new Date(Date.now() - ms) };
  const due = new Date(0);
  await admin
    .updateTable('shadow_pairs')
    .set({ ...made, next_at: due })
    .execute();
  await admin
    .updateTable('experiment_inferences')
    .set({ ...made, derive_at: due })
    .where('derive_at', 'is not', null)
    .execute();
}

/** The suite that every reader of rows and bodies passes, with the jobs that read through it. */
export function describeCaptured(name: string, open: (databaseUrl: string) => Promise<LogStoreUnderTest>): void {
  describe(`rows and bodies in ${name}`, () => {
    let rig: CapturedRig;
    beforeAll(async () => {
      rig = await createCapturedRig(open);
    });
    afterAll(() => rig.close());
    beforeEach(async () => {
      for (const table of ['shadow_pairs', 'experiment_inferences', 'experiment_unit_metrics', 'rollouts'] as const) {
        await rig.admin.deleteFrom(table).execute();
      }
      rig.logged.length = 0;
      rig.receiver.calls.length = 0;
    });

    describe('reading', () => {
      test('an inference comes back as it was shipped, byte for byte; one that was shipped twice is one', async () => {
        const digest = createHash('sha256').update('whole').digest();
        const full = rig.shipped({
          ...{ request: Buffer.from([0, 255, 10, 9, 92]), response: Buffer.alloc(70_000, 0xfe) },
          begin: { requestBytes: 5e9, requestSha256: digest.toString('hex') },
          end: { costMicroUsd: 2 ** 40, inputTokens: null, responseType: 'text/ä', errorCode: 'upstream_error' },
        });
        const bare = { ...rig.shipped(), request: null, response: null };
        await rig.ship([full, bare]);
        await rig.ship([full]);
        const found = await rig.find([full.id, bare.id, full.id, newInferenceId()]);
        expect([...found.keys()].toSorted()).toEqual([full.id, bare.id].toSorted());
        expect(found.get(full.id)).toEqual({
          row: {
            ...{ id: full.id, group_id: GROUP_ID, created_at: new Date(unixMsOfId(full.id)), operation: 'chat' },
            ...{
              dialect: 'openai-chat',
              assigned_variant: 'small',
              outcome: 'completed',
              error_code: 'upstream_error',
            },
            ...{ key_id: KEY_ID, attempts: endRecord().attempts, input_tokens: null, output_tokens: 0 },
            ...{ cost_micro_usd: 2 ** 40, capture_facts: 0, request_bytes: 5e9, response_bytes: 70_000 },
          },
          payload: {
            ...{ id: full.id, request: full.request, response: full.response, response_type: 'text/ä' },
            ...{ request_sha256: digest, response_sha256: null },
          },
        });
        expect(found.get(bare.id)).toMatchObject({ row: { cost_micro_usd: null }, payload: undefined });
      });

      test('any number at once; nobody finds what another organization or group has', async () => {
        const rows = Array.from({ length: 130 }, (_, at) => rig.shipped({ response: String(at) }));
        await rig.ship(rows);
        const ids = rows.map(({ id }) => id);
        const found = await rig.find(ids);
        expect(rows.every(({ id, response }) => found.get(id)?.payload?.response?.equals(response!))).toBe(true);
        expect((await rig.find(ids, { organizationId: randomUUID() })).size).toBe(0);
        expect((await rig.find(ids, { groupId: randomUUID() })).size).toBe(0);
        expect((await rig.find([])).size).toBe(0);
      });
    });

    describe('pairs', () => {
      test('killed when it has read, it has done nothing; each is done once afterwards, by any number at once', async () => {
        const experiment = { id: await rig.experiment(), phase: 1, arm: 0 };
        const pairs = Array.from({ length: 25 }, () => rig.pair());
        await rig.ship([...pairs.flat(), ...pairs.map(() => rig.shipped({ ...valid, begin: { experiment } }))]);
        for (const job of ['compare', 'derive'] as const) {
          await expect(rig.run(job, rig.killing())).rejects.toThrow(/terminat|not queryable/);
        }
        const states = () => rig.admin.selectFrom('shadow_pairs').select(['state', 'attempts']).execute();
        expect(new Set((await states()).map(({ state, attempts }) => `${state} ${attempts}`))).toEqual(
          new Set(['pending 0']),
        );
        await Promise.all((['compare', 'derive', 'compare', 'derive'] as const).map((job) => rig.run(job)));
        for (const job of ['compare', 'derive'] as const) await rig.run(job);
        expect(await states()).toEqual(pairs.map(() => ({ state: 'compared', attempts: 1 })));
        const [sums] = await rig.admin.selectFrom('experiment_unit_metrics').select(['n', 'sum']).execute();
        expect(sums).toEqual({ n: 25, sum: '25' });
      });

      const shadowPair = (shadowId: string) => pairOf(rig.admin, shadowId);

      test('are compared, rows and bodies; once, also when they lie there twice', async () => {
        const [original, shadow] = rig.pair(
          { ...valid, end: { costMicroUsd: 7 } },
          { ...invalid, end: { costMicroUsd: 9 } },
        );
        await rig.ship([original, shadow]);
        await rig.ship([original, shadow]);
        await rig.run('compare');
        await rig.run('compare');
        expect(await shadowPair(shadow.id)).toMatchObject({ state: 'compared', attempts: 1, evaluation: 'pending' });
        const { measures } = await shadowPair(shadow.id);
        expect(measures).toMatchObject({
          ...{ failure: 0, both_failed: 0, latency_us: 3_000, cost_micro_usd: 2, output_tokens: 0 },
          ...{ schema_valid_original: 1, schema_valid_shadow: 0, schema_validity: -1 },
          text_similarity: expect.closeTo(4 / 9, 12),
        });
      });

      test('wait for a side that is not there yet, and give it up after a day, with the reason', async () => {
        const [original, shadow] = rig.pair();
        await rig.ship([shadow]);
        await rig.run('compare');
        const waits = { state: 'pending', attempts: 1, detail: 'the row of the inference is not there yet' };
        expect(await shadowPair(shadow.id)).toMatchObject(waits);
        await rig.ship([original]);
        await age(rig, 2 * DAY_MS);
        await rig.run('compare');
        expect(await shadowPair(shadow.id)).toMatchObject({ state: 'compared', detail: '' });

        const [, removed] = rig.pair();
        await rig.ship([removed]);
        await rig.remove('inferences', [removed.id]);
        await age(rig, 2 * DAY_MS);
        await rig.run('compare');
        expect((await shadowPair(removed.id)).state).toBe('pending');
        await age(rig, 2 * DAY_MS);
        await rig.run('compare');
        const lost = { state: 'given_up', detail: `the row of the inference is ${NEVER}`, measures: {} };
        expect(await shadowPair(removed.id)).toMatchObject(lost);
        expect(rig.logged).toEqual(['gave up 1 pairs of mirrored calls']);
      });

      test('wait for bodies that were kept, and are compared without them after a day', async () => {
        const [original, shadow] = rig.pair();
        await rig.ship([original, shadow]);
        await rig.remove('inference_payloads', [shadow.id]);
        await rig.run('compare');
        const waits = { state: 'pending', detail: 'the bodies of the mirrored call are not there yet' };
        expect(await shadowPair(shadow.id)).toMatchObject(waits);
        await age(rig, 2 * DAY_MS);
        await rig.run('compare');
        const bare = { state: 'compared', detail: `the bodies of the mirrored call are ${NEVER}`, evaluation: 'none' };
        expect(await shadowPair(shadow.id)).toMatchObject(bare);
        const { measures } = await shadowPair(shadow.id);
        expect(measures).toEqual({ failure: 0, both_failed: 0, latency_us: 3_000, output_tokens: 0 });
        expect(rig.logged).toEqual(['compared 1 pairs of mirrored calls without bodies, which never came']);
      });
    });

    describe('schema_validity', () => {
      const sums = async () => {
        const rows = await rig.admin.selectFrom('experiment_unit_metrics').select(['arm', 'n', 'sum']).execute();
        return rows.map(({ arm, n, sum }) => [arm, n, Number(sum)]).toSorted();
      };
      /** What is written down of an inference. */
      const stateOf = (inferenceId: string) =>
        rig.admin
          .selectFrom('experiment_inferences')
          .select(['is_derived', 'derive_detail'])
          .where('inference_id', '=', inferenceId)
          .executeTakeFirstOrThrow();

      test('is derived once from each inference; one that is not there is waited for, and given up after a day', async () => {
        const id = await rig.experiment();
        const counted = (arm: number, side: typeof valid) =>
          rig.shipped({ ...side, begin: { experiment: { id, phase: 1, arm } } });
        const rows = [counted(0, valid), counted(0, invalid), counted(1, valid), counted(1, valid)];
        const [, , gone, bare] = rows as [unknown, unknown, (typeof rows)[number], (typeof rows)[number]];
        await rig.ship(rows);
        await rig.remove('inferences', [gone.id]);
        await rig.remove('inference_payloads', [bare.id]);
        await rig.run('derive');
        await rig.run('derive');
        expect(await sums()).toEqual([[0, 2, 1]]);
        expect(await stateOf(gone.id)).toEqual({ is_derived: false, derive_detail: 'its row is not there yet' });
        expect(await stateOf(bare.id)).toEqual({ is_derived: false, derive_detail: 'its bodies are not there yet' });
        await age(rig, 2 * DAY_MS);
        await rig.run('derive');
        await rig.run('derive');
        expect(await sums()).toEqual([[0, 2, 1]]);
        expect(await stateOf(rows[0]!.id)).toEqual({ is_derived: true, derive_detail: '' });
        expect(await stateOf(gone.id)).toEqual({ is_derived: true, derive_detail: `its row is ${NEVER}` });
        expect(await stateOf(bare.id)).toEqual({ is_derived: true, derive_detail: `its bodies are ${NEVER}` });
        expect(rig.logged).toEqual(['2 inferences count without schema_validity: what it is derived from never came']);
      });
    });

    describe('a judge', () => {
      test('gets the request and both answers; what has gone is tried again, then counted as failed', async () => {
        const pairs = [rig.pair({ response: chatCompletion('one') }, { response: chatCompletion('two') }), rig.pair()];
        await rig.ship(pairs.flat());
        await rig.run('compare');
        const [[, judged], [original, gone]] = pairs as [(typeof pairs)[number], (typeof pairs)[number]];
        await rig.remove('inferences', [original.id]);
        await rig.run('evaluate');
        expect(await pairOf(rig.admin, judged.id)).toMatchObject({
          evaluation: 'scored',
          evaluation_detail: 'so it is',
        });
        const [call] = rig.receiver.calls;
        const shown = JSON.parse(call!.body).messages[1].content as string;
        expect(rig.receiver.calls).toHaveLength(1);
        for (const part of [CHAT_REQUEST, 'one', 'two']) expect(shown).toContain(part);
        for (let attempt = 2; attempt <= 4; attempt++) {
          expect(await pairOf(rig.admin, gone.id)).toMatchObject({ evaluation: 'pending' });
          await rig.admin
            .updateTable('shadow_pairs')
            .set({ evaluation_next_at: new Date() })
            .where('evaluation', '=', 'pending')
            .execute();
          await rig.run('evaluate');
        }
        const failed = { evaluation: 'failed', evaluation_detail: 'its answers are gone', evaluation_attempts: 4 };
        expect(await pairOf(rig.admin, gone.id)).toMatchObject(failed);
      });
    });
  });
}
