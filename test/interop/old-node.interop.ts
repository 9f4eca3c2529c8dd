/**
 * The compiled command on versions of Node that are too old. Skipped unless TEST_OLD_NODES names
 * their binaries, separated by spaces, as `.ci/run` does.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { commandPath } from '../support/compiled.ts';

const binaries = (process.env['TEST_OLD_NODES'] ?? '').split(' ').filter((name) => name !== '');
const skip = binaries.length === 0 && 'TEST_OLD_NODES names no binary';

test('errors that name the right culprit: an old Node is told by its version', { skip }, () => {
  for (const binary of binaries) {
    const version = spawnSync(binary, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout;
    for (const args of [['serve'], ['--version'], ['inspect', 'a.b.c'], ['--help']]) {
      const { status, stdout, stderr } = spawnSync(binary, [commandPath(), ...args], {
        encoding: 'utf8',
      });
      const message = `latchkey needs Node 20.19 or later, this is Node ${version}`;
      assert.deepEqual({ status, stdout, stderr }, { status: 1, stdout: '', stderr: message });
    }
  }
});
