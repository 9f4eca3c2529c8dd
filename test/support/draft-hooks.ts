/** The file system, with a hook before each call that a compaction makes on its draft. */
import fs, { type FileHandle } from 'node:fs/promises';
import type { Disk } from '../../src/journal/disk.ts';

/**
 * The calls in their order. The first three belong to the first phase, during which writes go on.
 * `write` and `sync` may come again, for the records that were written meanwhile.
 */
export const DRAFT_CALLS = ['open', 'write', 'sync', 'rename', 'sync of the folder'] as const;
export type DraftCall = (typeof DRAFT_CALLS)[number];

/**
 * @param hook called before each call, with its name and the bytes to write. If it throws, the call
 *   fails with that error.
 */
export function diskWith(
  hook: (call: DraftCall, bytes?: Uint8Array) => void | Promise<void>,
): Disk {
  /** The handle of the draft, until it has the name of the file. */
  let draft: FileHandle | undefined;
  return {
    ...fs,
    async open(path, flags, mode) {
      const isFolder = flags === 'r';
      const isDraft = path.includes('.compact-');
      if (isDraft) await hook('open');
      const handle = await fs.open(path, flags, mode);
      const { writeFile, datasync, sync } = handle;
      if (isFolder) {
        handle.sync = async () => {
          await hook('sync of the folder');
          return sync.call(handle);
        };
      }
      if (isDraft) {
        draft = handle;
        handle.writeFile = async (bytes) => {
          if (draft === handle && bytes instanceof Uint8Array) await hook('write', bytes);
          return writeFile.call(handle, bytes);
        };
        handle.datasync = async () => {
          if (draft === handle) await hook('sync');
          return datasync.call(handle);
        };
      }
      return handle;
    },
    async rename(from, to) {
      await hook('rename');
      await fs.rename(from, to);
      draft = undefined;
    },
  };
}
