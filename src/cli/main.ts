#!/usr/bin/env -S node --
/**
 * The file that Node runs: checks the version of Node, and then loads the command. With `--` in the
 * first line, Node reads none of the arguments itself, such as --env-file.
 * Promise: an old Node, from 12.20 on, can parse this file. So it prints which Node is needed, and
 * not an error about the syntax or the imports of another file.
 */
import { readFileSync } from 'node:fs';

// Not from version.ts, which an old Node may not be able to load.
const MANIFEST = new URL('../../package.json', import.meta.url);

/** @returns the major and the minor number, such as those in `>=20.19` */
function numbersIn(version: string): number[] {
  return (version.match(/\d+/g) || []).slice(0, 2).map(Number);
}

function isOlder(version: string, needed: string): boolean {
  const [major = 0, minor = 0] = numbersIn(version);
  const [neededMajor = 0, neededMinor = 0] = numbersIn(needed);
  return major < neededMajor || (major === neededMajor && minor < neededMinor);
}

const needed: string = JSON.parse(readFileSync(MANIFEST, 'utf8')).engines.node;
if (isOlder(process.versions.node, needed)) {
  const [major, minor] = numbersIn(needed);
  const found = `this is Node ${process.versions.node}`;
  console.error(`latchkey needs Node ${major}.${minor} or later, ${found}`);
  process.exitCode = 1;
} else {
  // Not awaited here, because Node 12 does not parse that.
  import('./command.ts').catch((error: NodeJS.ErrnoException) => {
    const isLimit = error.code === 'EMFILE';
    const remedy = isLimit ? ': raise the limit on open files of this process (ulimit -n)' : '';
    console.error(`latchkey: ${error.message.split('\n', 1).join()}${remedy}`);
    process.exitCode = 1;
  });
}
