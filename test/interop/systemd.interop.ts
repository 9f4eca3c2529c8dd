/**
 * The unit of src/cli/deployment.md: as systemd-analyze judges it, and as a real systemd runs it,
 * with its user, its sandbox, its reload and its restarts.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { send } from '../support/app.ts';
import { JOE } from '../support/command-client.ts';
import { blocks, shellBlock } from '../support/documents.ts';
import { emptyFolder } from '../support/run-command.ts';
import { freePort, makeUserFolder, removeUserFolder } from '../support/user-folder.ts';
import { skip, startMachine, type Machine } from './systemd-machine.ts';

const [unit = ''] = blocks('ini');
const DATA = '/var/lib/latchkey';

const hasAnalyzer = spawnSync('systemd-analyze', ['--version']).status === 0;
const needsAnalyzer = { skip: !hasAnalyzer && 'systemd-analyze is not installed' };

/** Runs systemd-analyze on the unit. @returns its exit code and what it printed */
async function analyze(...args: string[]): Promise<{ status: number | null; text: string }> {
  const path = join(await emptyFolder(), 'latchkey.service');
  await writeFile(path, unit.replace('/usr/bin/node', process.execPath));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, path]);
  return { status, text: `${stdout}${stderr}` };
}

test('systemd accepts every line of the unit', needsAnalyzer, async () => {
  assert.deepEqual(await analyze('verify'), { status: 0, text: '' });
});

test('the unit has an exposure below 2.0', needsAnalyzer, async () => {
  // In tenths. Above the threshold systemd-analyze fails.
  const { status, text } = await analyze('security', '--offline=true', '--threshold=19');
  assert.equal(status, 0, text);
  assert.match(text, /Overall exposure level for latchkey\.service: 1\.\d /);
});

describe('the unit in a real systemd', { skip }, () => {
  let folder = '';
  let machine: Machine;
  let url = '';

  /** Waits for a sign of the server. @returns what `look` returns, once it is not undefined */
  async function until<Found>(look: () => Promise<Found | undefined>): Promise<Found> {
    for (let tries = 0; ; tries += 1) {
      const found = await look();
      if (found !== undefined) return found;
      if (tries === 500) assert.fail(await machine.run('cat', '/opt/log'));
      await delay(20);
    }
  }

  const isUp = () => send(`${url}/hello`, 'GET').then(() => true, () => undefined);

  /** Runs the administration as the page says: as the user of the service. */
  const latchkey = (...args: string[]) => {
    return machine.run('runuser', '-u', 'latchkey', '--', '/opt/latchkey-command', ...args);
  };

  before(async () => {
    folder = await makeUserFolder(() => false);
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    // systemd would wait 5 seconds before each restart, and has no journal here.
    const log = 'StandardError=append:/opt/log';
    const dropIn = `[Service]\nEnvironment=PORT=${port}\nRestartSec=100ms\n${log}\n`;
    machine = await startMachine(await emptyFolder(), {
      'latchkey.service': unit,
      'latchkey.service.d/test.conf': dropIn,
      'variables.service': '[Service]\nType=oneshot\nEnvironmentFile=/opt/variables\n' +
        `ExecStart=/bin/sh -c 'printf "%%s" "$$LATCHKEY_SECRET" > /opt/secrets'\n`,
      'wrong.service': unit.replace('--log json', '--log jsn'),
      'wrong.service.d/test.conf': dropIn,
      // A process that does not listen to SIGHUP, as the server in the first moments of a start.
      'early.service': unit.replace(/^ExecStart=.+$/m, 'ExecStart=/bin/sleep 60'),
      'early.service.d/test.conf': dropIn,
    });
    const name = '/usr/local/bin/latchkey';
    const prepare = shellBlock('useradd').replace(name, '/opt/latchkey-command');
    const install = shellBlock('npm install --prefix').trimEnd();
    const commands = `${prepare} cd ${join(folder, '../latchkey')} && ${install} --offline`;
    await machine.run('bash', '-ec', commands);
  });

  after(async () => {
    await machine.end();
    removeUserFolder(folder);
  });

  test('it serves logins as a user without rights, who owns the data alone', async () => {
    await machine.run('systemctl', 'start', 'latchkey');
    await until(isUp);
    assert.equal((await send(`${url}/signup`, 'POST', JOE)).status, 200);
    assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 200);
    const pid = await machine.property('latchkey', 'MainPID');
    const status = await machine.run('cat', `/proc/${pid}/status`);
    const [, user] = /^Uid:\t(\d+)/m.exec(status) ?? [];
    assert.equal(user, (await machine.run('id', '-u', 'latchkey')).trim());
    assert.match(status, /^CapBnd:\t0+$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    const owned = await machine.run('stat', '--format', '%U %a', DATA, `${DATA}/users.jsonl`);
    assert.equal(owned, 'latchkey 700\nlatchkey 600\n');
  });

  test('it reads two secrets of a file of variables as the page writes them', async () => {
    const block = blocks('text').find((text) => text.startsWith('PGPASSWORD=')) ?? '';
    await machine.run('sh', '-c', 'printf "%s" "$0" > /opt/variables', block);
    await machine.run('systemctl', 'start', 'variables');
    assert.equal(await machine.run('cat', '/opt/secrets'), '<new secret>\n<old secret>');
  });

  test('its lock can tell whether the holder is alive', async () => {
    const names = (await machine.run('ls', DATA)).split('\n');
    const locks = names.filter((name) => name.includes('.lock.'));
    assert.equal(locks.length, 2);
    assert.deepEqual(locks.filter((name) => name.includes('unknown')), []);
  });

  test('its user administers the users while it runs', async () => {
    assert.match(await latchkey('users', 'list', '--data', DATA), /^joe\b/m);
  });

  test('a reload reads the secret again, in the same process', async () => {
    const pid = await machine.property('latchkey', 'MainPID');
    const { body } = await send(`${url}/auth`, 'POST', JOE);
    const headers = { Authorization: `JWT ${Object(body).access_token}` };
    assert.equal((await send(`${url}/hello`, 'GET', undefined, headers)).status, 200);
    const renew = `/opt/latchkey-command secret > ${DATA}/new && mv ${DATA}/new ${DATA}/secret`;
    await machine.run('runuser', '-u', 'latchkey', '--', 'sh', '-c', `umask 077; ${renew}`);
    await machine.run('systemctl', 'reload', 'latchkey');
    await until(async () => {
      const log = await machine.run('cat', '/opt/log');
      return log.includes('"event":"reload"') || undefined;
    });
    assert.equal((await send(`${url}/hello`, 'GET', undefined, headers)).status, 401);
    assert.equal(await machine.property('latchkey', 'MainPID'), pid);
  });

  test('it starts again after a crash, and a stop is a success', async () => {
    const pid = await machine.property('latchkey', 'MainPID');
    await machine.run('kill', '-KILL', pid);
    await until(async () => {
      const next = await machine.property('latchkey', 'MainPID');
      return (next !== pid && next !== '0') || undefined;
    });
    await until(isUp);
    assert.equal(await machine.property('latchkey', 'NRestarts'), '1');
    assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 200);
    await machine.run('systemctl', 'stop', 'latchkey');
    assert.equal(await machine.property('latchkey', 'Result'), 'success');
    assert.equal(await machine.property('latchkey', 'ExecMainStatus'), '0');
  });

  test('after the loss of its data folder it is restored by the commands of the page', async () => {
    await machine.run('systemctl', 'start', 'latchkey');
    await until(isUp);
    const runBlock = async (beginning: string) => {
      const block = shellBlock(beginning).replace(/^latchkey /m, '/opt/latchkey-command ');
      await machine.run('bash', '-ec', `mkdir -p /opt/backup && cd /opt/backup\n${block}`);
    };
    await runBlock('cp /var/lib/latchkey');
    const secret = await machine.run('cat', `${DATA}/secret`);
    await machine.run('systemctl', 'stop', 'latchkey');
    await machine.run('rm', '-r', DATA);
    await runBlock('systemctl stop');
    await until(isUp);
    assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 200);
    const paths = ['', '/secret', '/users.jsonl', '/sessions.jsonl'].map((name) => DATA + name);
    const owned = await machine.run('stat', '--format', '%U:%G %a', ...paths);
    assert.equal(owned, `latchkey:latchkey 700\n${'latchkey:latchkey 600\n'.repeat(3)}`);
    assert.equal(await machine.run('cat', `${DATA}/secret`), secret);
    await machine.run('systemctl', 'stop', 'latchkey');
  });

  test('it starts again after a reload that was too early', async () => {
    await machine.run('systemctl', 'start', 'early');
    await machine.run('systemctl', 'reload', 'early');
    await until(async () => {
      return (await machine.property('early', 'NRestarts')) === '1' || undefined;
    });
    await machine.run('systemctl', 'stop', 'early');
  });

  test('a wrong flag fails once, and is not tried again', async () => {
    await machine.run('systemctl', 'start', 'wrong');
    const state = () => machine.property('wrong', 'ActiveState');
    await until(async () => (await state()) === 'failed' || undefined);
    assert.equal(await machine.property('wrong', 'ExecMainStatus'), '2');
    assert.equal(await machine.property('wrong', 'NRestarts'), '0');
  });
});
