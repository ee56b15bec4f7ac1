import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { systemEntropy } from '#control-plane/entropy.ts';
import { createOutbound } from '#control-plane/http/outbound.ts';
import { createDerivedMetricsJob } from '#control-plane/jobs/derived-metrics.ts';
import { createShadowEvaluationsJob } from '#control-plane/jobs/shadow-evaluations.ts';
import { createShadowPairsJob } from '#control-plane/jobs/shadow-pairs.ts';
import { createSchemaChecker } from '#control-plane/shadow/schema-checker.ts';
import { WHOLE } from '#core/capture-facts.ts';
import type { Keyring } from '#core/envelope.ts';
import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import type { BeginRecord, EndRecord, InferenceRow } from '#inference-log/record.ts';
import type { Sink } from '#inference-log/spool.ts';
import type { CapturedInferences } from '#store/captured-inferences.ts';
import { createPool, type DatabaseRole, inOrganization } from '#store/pool.ts';
import { createTestDatabase } from './database.ts';
import { INGEST } from './experiments.ts';
import { CHAT_REQUEST, chatCompletion } from './planted-pairs.ts';
import { beginRecord, endRecord, GROUP_ID, newInferenceId, ORGANIZATION_ID } from './records.ts';
import { startWebhookReceiver } from './webhook-receiver.ts';

/** A store of the log's rows: how they get there, are read, and go. */
export interface LogStoreUnderTest {
  readonly sink: Sink;
  readonly captured: CapturedInferences;
  /** As retention does; payloads alone: as a replica shows it that has not got them yet. */
  remove(table: 'inferences' | 'inference_payloads', ids: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** What a test says about one inference; else it is a completed chat, wholly captured. */
export interface ShippedChanges {
  readonly request?: Uint8Array | string;
  readonly response?: Uint8Array | string;
  readonly begin?: Partial<BeginRecord>;
  readonly end?: Partial<EndRecord>;
}

const JUDGE_ID = '01890000-0000-7000-8000-00000000000a';

/** Inferences that were shipped through a sink, and the jobs that read them, on a database of their own; without a control plane. */
export async function createCapturedRig(open: (databaseUrl: string) => Promise<LogStoreUnderTest>) {
  const database = await createTestDatabase();
  const pool = (role: DatabaseRole) =>
    createPool({ databaseUrl: database.url, role, maxConnections: 4, applicationName: 'test captured' });
  const [admin, db, leaderDb] = [pool('login'), pool('application'), pool('leader')];
  const store = await open(database.url);
  const checker = createSchemaChecker();
  const receiver = await startWebhookReceiver((response) => {
    const verdict = chatCompletion('{"reason":"so it is","winner":"first"}');
    response.writeHead(200, { 'content-type': 'application/json' }).end(verdict);
  });
  const outbound = createOutbound({ policy: parseAddressPolicy('127.0.0.0/8') });
  const logged: string[] = [];
  const gatewayId = randomUUID();
  const keyring: Keyring = [{ id: 'test', key: randomBytes(32) }];
  const secrets = { keyring, pepper: randomBytes(32), entropy: systemEntropy };
  await seed();

  async function seed(): Promise<void> {
    await admin.insertInto('organizations').values({ id: ORGANIZATION_ID, name: 'acme' }).execute();
    const evaluator = { kind: 'group', group: 'judge', instructions: '', maxPerMinute: 100 };
    for (const [id, name, shadow] of [
      [GROUP_ID, 'demo', { evaluator }],
      [JUDGE_ID, 'judge', {}],
    ] as const) {
      await admin
        .insertInto('groups')
        .values({
          ...{ id, organization_id: ORGANIZATION_ID, name, description: '', salt: '00'.repeat(16), deleted_at: null },
          ...{ capture: '{}', log: '{}', shadow: JSON.stringify(shadow) },
        })
        .execute();
    }
  }

  const shipped = ({ request = CHAT_REQUEST, response, begin, end }: ShippedChanges = {}): InferenceRow => {
    const bodies = { request: Buffer.from(request), response: Buffer.from(response ?? chatCompletion('the cat sat')) };
    return {
      ...{ id: newInferenceId(Date.now() - 5_000), gatewayId, ...bodies },
      begin: beginRecord({ requestBytes: bodies.request.length, requestFacts: WHOLE, ...begin }),
      end: endRecord({ responseBytes: bodies.response.length, responseFacts: WHOLE, ...end }),
    };
  };

  return {
    ...{ admin, db, captured: store.captured, logged, receiver, shipped },
    remove: store.remove,

    /** As a batch of a spool of its own: what is shipped again lies there twice where a store does not see it. */
    async ship(rows: readonly InferenceRow[]): Promise<void> {
      const at = { scan: { segment: 1, offset: 1 }, shipped: { segment: 1, offset: 1 } };
      const place = { spoolId: randomUUID(), gatewayId, expected: undefined, cursor: at };
      await store.sink.write({ ...place, rows, dropped: [], finished: false });
    },

    /** An inference and the call that mirrors it, 3 ms slower. */
    pair(original: ShippedChanges = {}, shadow: ShippedChanges = {}): [InferenceRow, InferenceRow] {
      const attempts = (model: string, tookMs: number) =>
        endRecord().attempts.map((one) => ({ ...one, model, startNs: 1_000, endNs: 1_000 + tookMs * 1e6 }));
      const first = shipped({ ...original, end: { attempts: attempts('small', 5), ...original.end } });
      const begin = { assignedVariant: 's', shadowOf: first.id, ...shadow.begin };
      const end = { servedReason: 'shadow', servedVariant: 's', attempts: attempts('s', 8), ...shadow.end } as const;
      return [first, shipped({ ...shadow, begin, end })];
    },

    /** A started experiment that names schema_validity. */
    async experiment(): Promise<string> {
      const id = randomUUID();
      const guardrails = [{ metric: 'schema_validity', direction: 'increase', margin: 0.02 }];
      await admin
        .insertInto('rollouts')
        .values({
          ...{ id, organization_id: ORGANIZATION_ID, group_id: GROUP_ID, name: id, plan: '{}', arms: '[]' },
          ...{ state: 'aborted', started_at: new Date(), ended_at: new Date() },
          definition: JSON.stringify(experimentDefinitionSchema.parse({ guardrails })),
          ingest: JSON.stringify(INGEST),
        })
        .execute();
      return id;
    },

    find: (ids: readonly string[], changes: { organizationId?: string; groupId?: string } = {}) => {
      const sought = { organizationId: ORGANIZATION_ID, groupId: GROUP_ID, ids, ...changes };
      return store.captured.find((work) => inOrganization(db, sought.organizationId, work), sought);
    },

    /** A reader whose caller's transaction is dead when it has read. */
    killing: (): CapturedInferences => ({
      async find(inTransaction, sought) {
        const found = await store.captured.find(inTransaction, sought);
        await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND state = 'idle in transaction'`.execute(admin);
        return found;
      },
    }),

    /** The leader's jobs, once. */
    async run(job: 'compare' | 'derive' | 'evaluate', captured = store.captured): Promise<void> {
      const log = (line: string) => void logged.push(line);
      const deps = { db, leaderDb, captured, checker, everyMs: 1, random: () => 0, log };
      const clock = { nowMs: () => Date.now() };
      const evaluating = { ...secrets, clock, outbound, gatewayOutbound: outbound, gatewayUrl: receiver.url };
      const jobs = {
        compare: () => createShadowPairsJob(deps),
        derive: () => createDerivedMetricsJob(deps),
        evaluate: () => createShadowEvaluationsJob({ ...deps, ...evaluating }),
      };
      await jobs[job]().run(new AbortController().signal);
    },

    async close(): Promise<void> {
      await receiver.stop();
      await checker.close();
      await store.sink.close();
      await store.close();
      for (const one of [admin, db, leaderDb]) await one.destroy();
      await database.drop();
    },
  };
}

export type CapturedRig = Awaited<ReturnType<typeof createCapturedRig>>;
