import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** ClickHouse's engine as a Python library; the pin is the release that the tests are known to pass on. */
const PACKAGE = 'chdb-core==26.9.0';
const INSTALL_MS = 300_000;

/**
 * The folder for PYTHONPATH that has the engine. It is kept in the system's temporary folder and installed there where CI=true.
 * @returns why there is none, if so
 */
export async function findEngine(): Promise<{ readonly folder: string } | { readonly missing: string }> {
  const folder = join(tmpdir(), `ringside-${PACKAGE.replace('==', '-')}`);
  if (existsSync(join(folder, 'chdb'))) return { folder };
  if (process.env['CI'] !== 'true') {
    return { missing: `install the engine with: python3 -m pip install --no-deps --target ${folder} ${PACKAGE}` };
  }
  const unfinished = `${folder}.${process.pid}`;
  try {
    await run('python3', ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', unfinished, PACKAGE], {
      timeout: INSTALL_MS,
    });
    // Another test file may have been faster.
    await rename(unfinished, folder).catch(() => undefined);
    return { folder };
  } catch (error) {
    return { missing: `the engine cannot be installed: ${String((error as Error).message).split('\n', 1)[0]}` };
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** The configuration of a `clickhouse server` on loopback, all of it in `folder`. Returns the file's path. */
export async function writeServerConfig(folder: string, port: number): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'config.xml');
  const config = `<clickhouse>
  <logger><level>warning</level><console>1</console></logger>
  <listen_host>127.0.0.1</listen_host><http_port>${port}</http_port>
  <path>${folder}/data/</path><tmp_path>${folder}/tmp/</tmp_path><user_files_path>${folder}/files/</user_files_path>
  <users_config>config.xml</users_config>
  <profiles><default/></profiles><quotas><default/></quotas>
  <users><default>
    <password>test</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
  </default></users>
</clickhouse>
`;
  await writeFile(path, config);
  return path;
}
