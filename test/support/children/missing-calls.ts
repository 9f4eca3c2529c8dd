/**
 * Loaded before the command by `node --import`: takes calls of the file system away, as a mount of
 * another kind does. The variable MISSING_CALLS names them and their errors: `link ENOTSUP, ...`.
 */
import fs, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import { systemError } from '../system-errors.ts';

const probe = await fs.open(import.meta.filename, 'r');
const handles: FileHandle = Object.getPrototypeOf(probe);
await probe.close();
const { sync, writeFile } = handles;
const { open } = fs;

const failing = (code: string, call: string) => async () => {
  throw systemError(code, call);
};

const removals: Record<string, (code: string) => void> = {
  open: (code) => {
    // The modules of the command are loaded by other functions.
    fs.open = async (...values) => {
      if (values[1] === 'r') return open(...values);
      throw systemError(code, 'open');
    };
  },
  link: (code) => (fs.link = failing(code, 'link')),
  realpath: (code) => Object.assign(fs, { realpath: failing(code, 'realpath') }),
  utimes: (code) => (fs.utimes = failing(code, 'utime')),
  chmod: (code) => {
    fs.chmod = failing(code, 'chmod');
    handles.chmod = failing(code, 'fchmod');
  },
  chown: (code) => (handles.chown = failing(code, 'fchown')),
  folderSync: (code) => {
    handles.sync = async function (this: FileHandle) {
      if ((await this.stat()).isDirectory()) throw systemError(code, 'fsync');
      await sync.call(this);
    };
  },
  fileSync: (code) => {
    handles.datasync = failing(code, 'fdatasync');
    handles.sync = async function (this: FileHandle) {
      if (!(await this.stat()).isDirectory()) throw systemError(code, 'fsync');
      await sync.call(this);
    };
  },
  /** A write takes a while, so that other processes see a file without bytes, and half of one. */
  fastWrite: () => {
    handles.writeFile = async function (this: FileHandle, data) {
      const bytes = Buffer.from(String(data));
      for (const half of [bytes.subarray(0, 22), bytes.subarray(22)]) {
        await delay(100);
        await writeFile.call(this, half);
      }
      await delay(100);
    };
  },
};

for (const removal of (process.env['MISSING_CALLS'] ?? '').split(', ')) {
  const [call = '', code = ''] = removal.split(' ');
  removals[call]?.(code);
}
syncBuiltinESMExports();
