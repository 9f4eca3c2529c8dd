/** Errors of the system at the opening of a store: the remedy fits the reason. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { limitRemedyOf, remedyOf, wrapError } from '../../src/journal/system-errors.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { childPath } from '../support/compiled.ts';
import { systemError } from '../support/system-errors.ts';
import { fileWith, folderOf, newPath, withStore } from '../support/user-files.ts';
import { fault, fileOf, handles, JOE } from '../support/user-lines.ts';

const KIND = 'errors that name the right culprit:';
const ELSEWHERE = 'use another folder';

/** What the remedy must name. */
const REMEDIES: Readonly<Record<string, RegExp>> = {
  EACCES: /^let the user of this process read and write this file and its folder, or use/,
  EPERM: /attribute \(lsattr\).*sandbox.*, or use another folder$/,
  EROFS: /^mount its file system for writing, or use another folder$/,
  ENOSPC: /^free disk space or inodes, or use another folder$/,
  EDQUOT: /quota, or use another folder$/,
  EFBIG: /ulimit -f/,
  ENOTDIR: /^this path needs a folder where a file is: use another folder$/,
  EISDIR: /^name a file in that folder, or/,
  ENXIO: /^name a file: this path is a socket or a device/,
  ENOENT: /^fix or remove the symbolic link on this path, or create the folder that it names, or/,
  ELOOP: /symbolic links.*circle, or/,
  ENAMETOOLONG: /^shorten its name/,
  EINVAL: /^this file system lacks this call, or does not accept the name: use another folder$/,
  ENOTSUP: /^this file system lacks this call/,
  EOPNOTSUPP: /^this file system lacks this call/,
  ENOSYS: /^this file system lacks this call/,
  EIO: /^check the disk/,
  ESTALE: /network share/,
  ETIMEDOUT: /^check the mount, or use another folder$/,
  EHOSTDOWN: /^check the mount, or/,
  EHOSTUNREACH: /^check the mount, or/,
  ENOTCONN: /^check the mount, or/,
  ENODEV: /^check the mount, or/,
  EXDEV: /^check the mount, or/,
  EBUSY: /^stop the program that has it open/,
  EUNKNOWN: /^fix that, or use another folder$/,
};

test(`${KIND} each error of the system has a remedy that fits`, () => {
  for (const [code, pattern] of Object.entries(REMEDIES)) {
    const error = systemError(code, 'open');
    assert.match(remedyOf(error, ELSEWHERE), pattern, code);
    assert.match(remedyOf(wrapError('explained', error), ELSEWHERE), pattern, code);
    assert.equal(limitRemedyOf(error), undefined, code);
  }
  for (const value of [new Error('made by the test'), undefined, null, 'EACCES', {}]) {
    assert.equal(remedyOf(value, ELSEWHERE), 'fix that, or use another folder');
  }
});

test(`${KIND} a folder that the system does not let be made is not a missing one`, async () => {
  const refused = 'lets no process create a folder there: use another folder';
  assert.match(remedyOf(systemError('ENOENT', 'mkdir'), ELSEWHERE), RegExp(`${refused}$`));
  assert.match(remedyOf(systemError('EACCES', 'mkdir'), ELSEWHERE), REMEDIES['EACCES'] ?? /^$/);
  if (!fs.existsSync('/proc/self')) return;
  await assert.rejects(JsonFileUserStore.open('/proc/none/users.jsonl'), ({ message }: Error) => {
    return message.endsWith(refused);
  });
});

test(`${KIND} another folder is no remedy for a limit of the process or the system`, () => {
  for (const [code, words] of [
    ['EMFILE', /^raise .* of this process \(ulimit -n\)$/],
    ['ENFILE', /^raise .* of the system/],
    ['ENOMEM', /^free memory$/],
  ] as const) {
    assert.match(remedyOf(systemError(code, 'open'), ELSEWHERE), words);
    assert.match(limitRemedyOf(systemError(code, 'open')) ?? '', words);
  }
});

test(`${KIND} a sync that a file system does not have is named as such`, () => {
  for (const code of ['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']) {
    for (const call of ['fsync', 'fdatasync']) {
      const lack = 'this file system cannot sync a file, so a power cut could undo any write';
      assert.equal(remedyOf(systemError(code, call), ELSEWHERE), `${lack}: use another folder`);
    }
    assert.doesNotMatch(remedyOf(systemError(code, 'link'), ELSEWHERE), /sync/);
  }
  assert.doesNotMatch(remedyOf(systemError('EIO', 'fsync'), ELSEWHERE), /file system/);
});

/** Makes a path that cannot be opened. */
const OBSTACLES: Readonly<Record<string, (path: string) => string>> = {
  EISDIR: (path) => {
    fs.mkdirSync(path, { recursive: true });
    return path;
  },
  ENOTDIR: () => join(fileWith(''), 'users.jsonl'),
  ELOOP: (path) => {
    fs.mkdirSync(dirname(path));
    fs.symlinkSync(path, path);
    return path;
  },
  ENOENT: (path) => {
    fs.mkdirSync(dirname(path));
    fs.symlinkSync(join(dirname(path), 'none', 'users.jsonl'), path);
    return path;
  },
  // The file itself can be made, but not its lock.
  ENAMETOOLONG: (path) => join(dirname(path), `${'x'.repeat(220)}.jsonl`),
};

for (const [code, obstruct] of Object.entries(OBSTACLES)) {
  test(`${KIND} a user file that cannot be opened (${code}) tells what helps`, async () => {
    const path = obstruct(newPath());
    await assert.rejects(JsonFileUserStore.open(path), ({ message, cause }: Error) => {
      assert.equal(Object(cause).code, code);
      assert.ok(message.startsWith(`${path} cannot be opened: ${code}: `), message);
      assert.match(message.split("': ").at(-1) ?? '', REMEDIES[code] ?? /^$/);
      return true;
    });
  });
}

/** Opens a user file in a mount namespace of its own. @returns what it prints */
function openOn(mount: string): string | undefined {
  const folder = dirname(fileWith(''));
  const script = `${mount} && exec "$@"`;
  const words = [process.execPath, childPath('store'), 'openOnce', join(folder, 'users.jsonl')];
  const { status, stdout } = spawnSync(
    'unshare',
    ['--mount', 'sh', '-c', script, 'sh', ...words],
    { cwd: folder, encoding: 'utf8' },
  );
  return status === 0 ? stdout.trim() : undefined;
}

const isMountable = openOn('mount -t tmpfs none .') === 'opened';
const skip = !isMountable && 'the system refuses a mount namespace';

test(`${KIND} a read-only file system and a full one tell what helps`, { skip }, () => {
  const readOnly = openOn('mount -t tmpfs none . && mount -o remount,ro .');
  assert.match(readOnly ?? '', /EROFS: .*: mount its file system for writing, or use another f/);
  // Its folder takes one inode, the file another, and its lock none is left for.
  const full = openOn('mount -t tmpfs -o nr_inodes=2 none .');
  assert.match(full ?? '', /ENOSPC: .*: free disk space or inodes, or use another folder$/);
  assert.equal(openOn('mount -t tmpfs -o nr_inodes=20 none .'), 'opened');
});

test(`${KIND} a copy after an unclean stop that fails tells what helps`, async (t) => {
  for (const [code, words] of [
    ['ENOSPC', /the file is unchanged: free disk space for a copy beside /],
    ['EIO', /the file is unchanged: check the disk .*, or move the file to another folder$/],
  ] as const) {
    const path = fileWith(fileOf(JOE));
    t.mock.method(handles, 'writeFile', fault(code), { times: 1 });
    await assert.rejects(JsonFileUserStore.open(path), words);
    assert.deepEqual(folderOf(path), ['users.jsonl']);
    await withStore(path, (store) => assert.ok(store.find('joe')));
  }
});
