/**
 * The steps of src/cli/deployment.md from the unit of 0.1 to that of this version, in a real
 * systemd. The old unit starts this version, because only its user and its folder matter here.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { send } from '../support/app.ts';
import { login, JOE, signup } from '../support/command-client.ts';
import { blocks, read, shellBlock } from '../support/documents.ts';
import { emptyFolder } from '../support/run-command.ts';
import { freePort, makeUserFolder, removeUserFolder } from '../support/user-folder.ts';
import { skip, startMachine, type Machine } from './systemd-machine.ts';

const [unit = ''] = blocks('ini');
/** What the unit of 0.1 has in place of the user and the sandbox. */
const oldUnit = `[Service]
${/^ExecStart=.+$/m.exec(unit)}
DynamicUser=yes
StateDirectory=latchkey
StateDirectoryMode=0700
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
`;
const DATA = '/var/lib/latchkey';

describe('the way from the unit of 0.1', { skip }, () => {
  let folder = '';
  let files = '';
  let machine: Machine;
  let url = '';

  const start = async () => {
    await machine.run('systemctl', 'start', 'latchkey');
    for (let tries = 0; tries < 500; tries += 1) {
      if (await send(`${url}/hello`, 'GET').then(() => true, () => false)) return;
      await delay(20);
    }
    assert.fail(await machine.run('cat', '/opt/log'));
  };
  const statusWith = async (token: string) => {
    const headers = { Authorization: `JWT ${token}` };
    return (await send(`${url}/hello`, 'GET', undefined, headers)).status;
  };
  /** Runs the commands that stand between backticks in a step of the page. */
  const runStep = async (number: number) => {
    const [, section = ''] = read('src/cli/deployment.md').split('### From the unit of 0.1\n');
    const [, step = ''] = RegExp(`^${number}\\. ([^]+?)^(?:\\d\\.|$)`, 'm').exec(section) ?? [];
    for (const [, line = ''] of step.matchAll(/`((?:systemctl|cp) [^`]+)`/g)) {
      // The home of root is that of this machine.
      await machine.run('bash', '-ec', line.replace('~', files));
    }
  };

  before(async () => {
    folder = await makeUserFolder(() => false);
    files = await emptyFolder();
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const log = 'StandardError=append:/opt/log';
    machine = await startMachine(files, {
      'latchkey.service': oldUnit,
      'latchkey.service.d/test.conf': `[Service]\nEnvironment=PORT=${port}\n${log}\n`,
    });
    const install = shellBlock('npm install --prefix').trimEnd();
    const commands = `cd ${join(folder, '../latchkey')} && ${install} --offline`;
    await machine.run('bash', '-ec', commands);
  });

  after(async () => {
    await machine.end();
    removeUserFolder(folder);
  });

  test('the data and the tokens stay, and the new user administers the users', async () => {
    await start();
    await signup(url, JOE);
    const token = await login(url, JOE);
    const makeUser = shellBlock('useradd').replace('/usr/local/bin/latchkey', '/opt/command');
    await assert.rejects(machine.run('bash', '-ec', makeUser), { code: 9 });

    await runStep(1);
    const copied = await readFile(join(files, 'latchkey-0.1/users.jsonl'), 'utf8');
    assert.ok(copied.includes('"joe"'));
    await machine.run('bash', '-ec', makeUser);
    await writeFile(join(files, 'units/latchkey.service'), unit);
    await machine.run('systemctl', 'daemon-reload');
    await start();
    assert.equal(await statusWith(token), 200);
    const owned = await machine.run('stat', '--format', '%U %a %F', DATA, `${DATA}/users.jsonl`);
    assert.equal(owned, 'latchkey 700 directory\nlatchkey 600 regular file\n');
    const asUser = ['-u', 'latchkey', '--', '/opt/command', 'users', 'list', '--data', DATA];
    assert.match(await machine.run('runuser', ...asUser), /^joe\b/m);
  });

  test('the new unit permits as many open files as the page says', async () => {
    const limit = Number(await machine.property('latchkey', 'LimitNOFILE'));
    assert.ok(read('src/cli/deployment.md').includes(limit.toLocaleString('en')), `${limit}`);
  });

  test('the old unit works again, with the user that exists', async () => {
    await machine.run('systemctl', 'stop', 'latchkey');
    await writeFile(join(files, 'units/latchkey.service'), oldUnit);
    await machine.run('systemctl', 'daemon-reload');
    await start();
    assert.equal(await statusWith(await login(url, JOE)), 200);
  });
});
