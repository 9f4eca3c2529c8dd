/** Folders, durably: what was made here is still there after a power cut. */
import { chmod, mkdir, open, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Makes a folder (mode 0700) and those above it that are missing. Node's own `recursive` loops for ever in /proc. */
export async function makeFolder(folder: string): Promise<void> {
  if (await stat(folder).catch(ignore('ENOENT'))) return;
  const parent = dirname(resolve(folder));
  await makeFolder(parent);
  await mkdir(folder, 0o700).catch(ignore('EEXIST'));
  await chmod(folder, 0o700); // whatever the umask
  await syncFolder(parent);
}

/** Makes durable which files a folder holds. Windows has nothing of the kind and refuses to open a folder. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(ignore('EPERM', 'EISDIR'));
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}

/** Takes an error with one of these codes for an answer, and throws any other. */
export function ignore(...codes: readonly string[]): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (!codes.includes(error.code ?? '')) throw error;
  };
}
