import { ensureDatabase, startEmbeddedPostgres } from '#store/embedded-postgres.ts';
import { migrate } from '#store/migrate.ts';

const s = await startEmbeddedPostgres({ folder: '/tmp/bench/pg', password: 'x' });
await ensureDatabase(s.databaseUrl);
await migrate(s.databaseUrl);
console.log(s.databaseUrl);
process.on('SIGTERM', () => s.stop().then(() => process.exit()));
