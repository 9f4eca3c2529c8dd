/** Contests about the users file. */
import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { latchkey } from './harness/built.ts';
import { uniqueNames, type Contest } from './harness/contest.ts';
import { IN_FLIGHT, makeFile, openBare, userNamed } from './store-files.ts';

const { JsonFileUserStore } = latchkey;

/** The names of the contests, for goals. */
export const NAMES = {
  insert: `insert ${IN_FLIGHT} users`,
  open: 'open 100,000 users',
} as const;

/** One insert is a batch of users. The baseline writes and syncs as many lines in one call. */
export async function storeContests(folder: string, rounds: number) {
  const file = await open(join(folder, 'bare.jsonl'), 'a');
  const store = await JsonFileUserStore.open(join(folder, 'users.jsonl'));
  const batchOf = (name: string) =>
    Array.from({ length: IN_FLIGHT }, (_, n) => userNamed(`${name}-${n}`));
  const many = join(folder, 'many.jsonl');
  await makeFile(many, 100_000);
  const storeOpen = async () => {
    const opened = await JsonFileUserStore.open(many);
    await opened.close();
    return opened.find('user99999') !== undefined;
  };
  const isTrue = (answers: readonly unknown[]) =>
    assert.deepEqual(new Set(answers), new Set([true]));
  const contests: Contest[] = [
    {
      name: NAMES.insert,
      rounds,
      inputs: () => uniqueNames(10),
      agree: isTrue,
      ways: {
        bare: async (name) => {
          await file.write(
            batchOf(name)
              .map((user) => `${JSON.stringify(user)}\n`)
              .join(''),
          );
          await file.datasync();
          return true;
        },
        latchkey: async (name) => {
          const inserted = await Promise.all(batchOf(name).map((user) => store.insert(user)));
          return inserted.every((isNew) => isNew);
        },
      },
    },
    {
      name: NAMES.open,
      rounds: Math.ceil(rounds / 4),
      inputs: () => uniqueNames(1),
      agree: isTrue,
      ways: { bare: () => openBare(many).has('user99999'), latchkey: storeOpen },
    },
  ];
  const close = async () => {
    await store.close();
    await file.close();
  };
  return { contests, close };
}
