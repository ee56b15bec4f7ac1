import { randomUUID } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { createPool } from '#store/pool.ts';
import { auditLog } from '../support/audit.ts';
import { settleFault } from '../support/fault-results.ts';
import { setReachable } from '../support/reachable.ts';
import { allInferences, type Stack, startStack } from '../support/stack.ts';
import { mountTmpfs, type SmallDisk } from '../support/tmpfs.ts';
import { waitFor } from '../support/wait.ts';

const DISK_MEGABYTES = 16;
const POLICIES = ['shed', 'serve-unlogged', 'metadata-only'] as const;
type Policy = (typeof POLICIES)[number];
/** Kept whole: `capture.maxBytes` is 65 536. */
const PROMPT = 'x'.repeat(60_000);

interface Answer {
  readonly id: string;
  readonly status: number;
  readonly code: string | undefined;
}

/** What the callers of each group were told. */
type Told = Record<Policy, Answer[]>;

/** The sum of a figure of the log over its lines with these labels. */
function figureOf(text: string, name: string, labels: string): number {
  const found = text.split('\n').filter((line) => line.startsWith(`ringside_log_${name}`) && line.includes(labels));
  return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

class Scene {
  readonly told: Told = { shed: [], 'serve-unlogged': [], 'metadata-only': [] };
  readonly stack: Stack;
  readonly #dataFolder: string;
  #key = '';

  constructor(stack: Stack, dataFolder: string) {
    this.stack = stack;
    this.#dataFolder = dataFolder;
  }

  /** One group for each policy. */
  async prepare(): Promise<void> {
    for (const policy of POLICIES) {
      this.#key = await this.stack.createGroup(policy, { [`model-${policy}`]: 10_000 });
      const changed = await this.stack.api('PATCH', `/groups/${policy}`, { log: { whenSpoolFull: policy } });
      if (changed.status !== 200) throw new Error(JSON.stringify(changed.body));
    }
    await waitFor('the groups', async () => (await this.call('metadata-only', 'hello')).status === 200);
  }

  async call(policy: Policy, content = PROMPT): Promise<Answer> {
    const reply = await this.stack.chat(this.#key, { model: policy, messages: [{ role: 'user', content }] });
    const body = (await reply.json()) as { error?: { code: string } };
    const id = reply.headers.get('x-ringside-inference-id')!;
    const answer = { id, status: reply.status, code: body.error?.code };
    this.told[policy].push(answer);
    return answer;
  }

  /** Sends until a request of the group is refused. */
  async callUntilRefused(policy: Policy, content = PROMPT): Promise<number> {
    for (let served = 0; served < 4_000; served += 8) {
      const answers = await Promise.all(Array.from({ length: 8 }, () => this.call(policy, content)));
      if (answers.some(({ status }) => status === 503)) return served;
    }
    throw new Error(`requests of ${policy} are never refused`);
  }

  alarms(code: string): number {
    return this.stack.log().split(`inference log: ${code}:`).length - 1;
  }

  async metric(name: string, labels = ''): Promise<number> {
    return figureOf(await this.stack.metrics(), name, labels);
  }

  served(policy: Policy): string[] {
    return this.told[policy].filter(({ status }) => status === 200).map(({ id }) => id);
  }

  /** Every answer is a 200 or the refusal of a full log. */
  expectNothingElse(): void {
    for (const { status, code } of Object.values(this.told).flat()) {
      if (status !== 200) expect([status, code]).toEqual([503, 'log_unavailable']);
    }
  }

  /** Waits until nothing is spooled, and checks that the ledger balances to the unit for each group. */
  async expectBalance(): Promise<void> {
    for (const policy of POLICIES) {
      await waitFor(`the ledger of ${policy} to balance`, async () => {
        const text = await this.stack.metrics();
        const of = (name: string) => figureOf(text, name, `group="${policy}"`);
        const recorded = of('recorded_total');
        const settled = of('stored_total') + of('dropped_total');
        return of('accepted_total') === recorded && recorded === settled && of('spooled') === 0;
      });
    }
  }

  /** Hands the counts to the table. Answers that a policy lets go without a record are counted as dropped, and not lost. */
  async settle(context: Pick<TestContext, 'task'>, fault: string, scope: string): Promise<void> {
    const served = POLICIES.flatMap((policy) => this.served(policy));
    const spoolRoot = join(this.#dataFolder, 'spool');
    const { outcomes: _, gaps: __, ...counts } = await auditLog(this.stack.databaseUrl, [spoolRoot], served);
    const unlogged = await this.metric('dropped_total', 'reason="unlogged"');
    settleFault(context, { fault, scope, ...counts, unlogged, lost: counts.lost - unlogged });
  }

  /** Every answer that promised a record has its row, once. @returns the rows by group */
  async expectRows(): Promise<Record<Policy, Record<string, unknown>[]>> {
    const rows = {} as Record<Policy, Record<string, unknown>[]>;
    for (const policy of POLICIES) {
      rows[policy] = await allInferences(this.stack, policy);
      const ids = rows[policy].map((row) => row['id']);
      expect(new Set(ids).size).toBe(ids.length);
      if (policy !== 'serve-unlogged') expect(ids).toEqual(expect.arrayContaining(this.served(policy)));
    }
    return rows;
  }
}

const disk: SmallDisk | undefined = mountTmpfs(randomUUID().slice(0, 8), DISK_MEGABYTES);
afterAll(() => disk?.unmount());

describe.skipIf(disk === undefined)(`R5: a disk of ${DISK_MEGABYTES} MB`, () => {
  let scene: Scene;
  const start = async (env: Record<string, string>) => {
    const dataFolder = join(disk!.path, randomUUID());
    const stack = await startStack({ workers: 1, env: { RINGSIDE_DATA_DIR: dataFolder, ...env } });
    scene = new Scene(stack, dataFolder);
    await scene.prepare();
    await setReachable(stack.databaseUrl, false);
  };
  const stop = async () => {
    await setReachable(scene.stack.databaseUrl, true);
    await scene.stack.stop();
  };

  test('is full: each policy, one alarm, no corruption, and it recovers by itself', async (context) => {
    await start({});
    try {
      expect(await scene.callUntilRefused('shed')).toBeGreaterThan(100);
      await waitFor('the alarm', () => scene.alarms('spool_write_failed') > 0);
      expect(scene.alarms('spool_write_failed')).toBe(1);
      for (let i = 0; i < 20; i++) expect((await scene.call('serve-unlogged')).status).toBe(200);
      expect(await scene.metric('dropped_total', 'reason="unlogged"')).toBe(20);
      // Nothing can be written, not even metadata.
      expect((await scene.call('metadata-only')).code).toBe('log_unavailable');
      expect(scene.alarms('spool_write_failed')).toBe(1);
      await setReachable(scene.stack.databaseUrl, true);
      await waitFor('the spool to recover', async () => (await scene.call('shed')).status === 200, 30_000);
      await waitFor('the word', () => scene.alarms('spool_recovered') > 0);
      expect(scene.alarms('spool_recovered')).toBe(1);
      for (const policy of POLICIES) expect((await scene.call(policy)).status).toBe(200);
      await scene.expectBalance();
      scene.expectNothingElse();
      const rows = await scene.expectRows();
      expect(rows['serve-unlogged'].length).toBe(scene.served('serve-unlogged').length - 20);
      await scene.settle(context, 'R5', `a disk of ${DISK_MEGABYTES} MB is full, with each policy`);
      expect(scene.alarms('spool_corrupt')).toBe(0);
    } finally {
      await stop();
    }
  }, 120_000);

  test('bound reached: metadata go on from their reserve, are counted, and are refused when that is used up', async (context) => {
    await start({ RINGSIDE_MAX_SPOOL_BYTES: String(6 * 1024 * 1024) });
    try {
      await scene.callUntilRefused('shed');
      await waitFor('the alarm', () => scene.alarms('spool_full') > 0);
      expect([scene.alarms('spool_full'), scene.alarms('spool_reserve_full')]).toEqual([1, 0]);
      expect((await scene.call('serve-unlogged')).status).toBe(200);
      const { id } = await scene.call('metadata-only');
      expect(await scene.metric('without_payload_total')).toBe(1);
      await scene.callUntilRefused('metadata-only');
      await waitFor('the alarm', () => scene.alarms('spool_reserve_full') > 0);
      expect([scene.alarms('spool_full'), scene.alarms('spool_reserve_full')]).toEqual([1, 1]);
      const bare = await scene.metric('without_payload_total');
      expect(bare).toBeGreaterThan(100);
      await setReachable(scene.stack.databaseUrl, true);
      await waitFor('the spool to recover', () => scene.alarms('spool_recovered') > 0, 30_000);
      await scene.expectBalance();
      scene.expectNothingElse();
      await scene.expectRows();
      await scene.settle(context, 'R5', 'the bound of the spool and the reserve for metadata are reached');
      const { body } = await scene.stack.api('GET', `/inferences/${id}`);
      const missing = { captured: false, body: null, missing: 'spool_full' };
      expect(body).toMatchObject({ status: 200, request: missing, response: missing });
      expect(scene.alarms('spool_write_failed') + scene.alarms('spool_corrupt')).toBe(0);
    } finally {
      await stop();
    }
  }, 120_000);
});

describe('R6: a store that is slower than the traffic', () => {
  const BOUND_BYTES = 6 * 1024 * 1024;
  const LOAD_MS = 6_000;
  let scene: Scene;
  beforeAll(async () => {
    const stack = await startStack({ workers: 1, env: { RINGSIDE_MAX_SPOOL_BYTES: String(BOUND_BYTES) } });
    scene = new Scene(stack, stack.dataFolder);
    await scene.prepare();
  });
  afterAll(() => scene.stack.stop());

  const spoolBytes = async () => {
    const root = join(scene.stack.dataFolder, 'spool');
    const names = await readdir(root, { recursive: true });
    const sizes = names.map((name) =>
      stat(join(root, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    );
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  };

  test('disk and memory stay within their bounds, everything is counted, and it drains whole', async (context) => {
    const { stack } = scene;
    const db = createPool({
      databaseUrl: stack.databaseUrl,
      role: 'login',
      maxConnections: 1,
      applicationName: 'test',
    });
    // Each batch takes a second.
    await sql`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END'`.execute(
      db,
    );
    await sql`CREATE TRIGGER slow AFTER INSERT OR UPDATE ON ringside.spools FOR EACH STATEMENT EXECUTE FUNCTION slow()`.execute(
      db,
    );
    await sql`GRANT EXECUTE ON FUNCTION slow() TO PUBLIC`.execute(db);
    const resident = async () => Number(/^process_resident_memory_bytes (\S+)/m.exec(await stack.metrics())![1]);
    const before = await resident();
    let [largestSpool, largestMemory] = [0, 0];
    let running = true;
    const load = Array.from({ length: 12 }, async (_, index) => {
      while (running) await scene.call(POLICIES[index % 3]!);
    });
    const until = performance.now() + LOAD_MS;
    await waitFor(
      'the load',
      async () => {
        largestSpool = Math.max(largestSpool, await spoolBytes());
        largestMemory = Math.max(largestMemory, await resident());
        return performance.now() > until;
      },
      LOAD_MS + 10_000,
    );
    running = false;
    await Promise.all(load);
    await sql`DROP TRIGGER slow ON ringside.spools`.execute(db);
    await db.destroy();
    // The bound, an eighth for metadata, two segments (a quarter each) for what was under way and what is being written.
    expect(largestSpool).toBeGreaterThan(BOUND_BYTES * 0.7);
    expect(largestSpool).toBeLessThan(BOUND_BYTES * 1.7);
    expect(largestMemory).toBeLessThan(before + 150e6);
    const refused = scene.told.shed.filter(({ status }) => status === 503).length;
    expect(refused).toBeGreaterThan(0);
    expect(scene.alarms('spool_full')).toBeGreaterThan(0);
    scene.expectNothingElse();
    await scene.expectBalance();
    const rows = await scene.expectRows();
    const unlogged = await scene.metric('dropped_total', 'reason="unlogged"');
    expect(unlogged).toBeGreaterThan(0);
    expect(rows['serve-unlogged'].length).toBe(scene.served('serve-unlogged').length - unlogged);
    await scene.settle(context, 'R6', `each batch takes a second, 12 callers for ${LOAD_MS / 1_000} s`);
  }, 120_000);
});
