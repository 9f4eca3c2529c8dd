/** Work on a disk whose power is cut or whose operations fail, and checks of its content. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Journal } from '../../src/journal/journal.ts';
import { EMPTY_LINE } from '../../src/journal/lines.ts';
import type { RecordFormat } from '../../src/journal/record-format.ts';
import type { User } from '../../src/users/store.ts';
import { USER_RECORDS, userRecord } from '../../src/users/user-records.ts';
import { PowerDisk, type Cuts, type Image } from './simulated-disk.ts';
import { HEADER_LINE, userLine, userNamed } from './user-files.ts';

export const PATH = '/users/users.jsonl';

export const atEveryByte: Cuts = (length) => Array(length).keys();
export const atSomeBytes: Cuts = (length) => [0, 1, length >> 1, length - 1];

/** What a journal has read from a file. */
type Opened = Pick<Journal<User>, 'entries'>;

/** The newest requested and acknowledged version of each user. The hash is the version. */
export class History {
  readonly requested: Map<string, number>;
  readonly acknowledged: Map<string, number>;

  constructor(before?: History) {
    this.requested = new Map(before?.requested);
    this.acknowledged = new Map(before?.acknowledged);
  }

  /** Writes a new version of each user, all at once. @returns whether all were acknowledged */
  async write(journal: Journal<User>, ...ids: string[]): Promise<boolean> {
    const write = async (id: string) => {
      const version = (this.requested.get(id) ?? 0) + 1;
      this.requested.set(id, version);
      const user = userNamed(id, `${version}`);
      await journal.append(userRecord(journal.entries.has(id) ? 'update' : 'insert', user));
      this.acknowledged.set(id, version);
    };
    const outcomes = await Promise.allSettled(ids.map(write));
    return outcomes.every(({ status }) => status === 'fulfilled');
  }

  /** A client learns that the name of a found user is taken, so that user is acknowledged too. */
  find({ entries: users }: Opened): void {
    this.#assertKept(users);
    for (const [id, { passwordHash }] of users) this.acknowledged.set(id, Number(passwordHash));
  }

  /** No acknowledged write is lost, and each user was requested. */
  assertSound({ entries: users }: Opened): void {
    this.#assertKept(users);
    for (const [id, { passwordHash }] of users) {
      assert.ok(Number(passwordHash) <= (this.requested.get(id) ?? 0), `${id} was not requested`);
    }
  }

  #assertKept(users: Journal<User>['entries']): void {
    for (const [id, version] of this.acknowledged) {
      assert.ok(Number(users.get(id)?.passwordHash) >= version, `${id} is lost`);
    }
  }
}

/** In this format users whose id begins with "new" need version 2. */
export const TWO_VERSIONS: RecordFormat<User> = {
  ...USER_RECORDS,
  version: 2,
  olderVersions: {
    oldest: 1,
    versionOf: ({ id }) => (String(id).startsWith('new') ? 2 : 1),
  },
};

/** Opens the journal on a disk. */
export type Open = (disk: PowerDisk) => Promise<Journal<User>>;

const openAsUsual: Open = (disk) => Journal.open(PATH, TWO_VERSIONS, { disk });

export type Work = (journal: Journal<User>, history: History) => Promise<unknown>;

export const threeBatches: Work = async (journal, history) => {
  let isAcknowledged = true;
  for (const ids of [['joe'], ['ann', 'bob', 'ñandú'], ['joe', 'eve']]) {
    isAcknowledged = (await history.write(journal, ...ids)) && isAcknowledged;
  }
  return isAcknowledged;
};

export const oneMore: Work = (journal, history) => history.write(journal, 'late');

/** The content of a disk, and the writes that were acknowledged. */
export interface Left {
  readonly image: Image;
  readonly history: History;
}

export const nothing: Left = { image: new Map(), history: new History() };

/** Three users and an update, by a server that stopped cleanly. */
async function closedFile(): Promise<Left> {
  const disk = new PowerDisk();
  const history = new History();
  const journal = await openAsUsual(disk);
  await threeBatches(journal, history);
  await journal.close();
  const [image = new Map()] = disk.images(atSomeBytes);
  return { image, history };
}

/** With three users, 1002 lines are superseded. */
export const WORN_VERSIONS = 335;

/** Three users, with enough updates that the file is compacted at the opening. */
function wornFile(end: string): Left {
  const history = new History();
  const lines = [HEADER_LINE];
  for (let version = 1; version <= WORN_VERSIONS; version += 1) {
    for (const id of ['joe', 'ann', 'bob']) {
      lines.push(userLine(version === 1 ? 'insert' : 'update', userNamed(id, `${version}`)));
      for (const versions of [history.requested, history.acknowledged]) versions.set(id, version);
    }
  }
  return { image: new Map([[PATH, Buffer.from(lines.join('') + end)]]), history };
}

export const closed: Left = await closedFile();
/** Files that are due for compaction: one was not closed, the other was. */
export const worn: Left = wornFile('');
export const wornAndClosed: Left = wornFile(EMPTY_LINE);

/** The content of the disk at the start, the work of the process, and how it opens the file. */
export const LIVES: readonly [Left, Work, Open?][] = [
  [nothing, threeBatches],
  [closed, oneMore],
  [worn, oneMore],
  [wornAndClosed, oneMore],
];

const digests = new WeakMap<Buffer, string>();

function digestOf(bytes: Buffer): string {
  let digest = digests.get(bytes);
  if (digest === undefined) {
    digest = hash('sha1', bytes);
    digests.set(bytes, digest);
  }
  return digest;
}

function digestOfImage(image: Image): string {
  return JSON.stringify([...image].map(([path, bytes]) => [path, digestOf(bytes)]).sort());
}

const openings = new Map<string, Promise<Opened>>();

/**
 * Opens the file of an image as usual. Equal images are opened once, because most are there many
 * times: they are left by another failure, or with other writes acknowledged.
 */
function openedOnce(image: Image): Promise<Opened> {
  const key = digestOfImage(image);
  let opening = openings.get(key);
  if (opening === undefined) {
    // Only the users are kept, and not the disk.
    opening = openAsUsual(new PowerDisk(image)).then(({ entries }) => ({ entries }));
    openings.set(key, opening);
  }
  return opening;
}

/**
 * Does the work on an opened file, and cuts the power at every step.
 * @returns every possible content of the disk
 */
export async function cutAnywhere(
  disk: PowerDisk,
  before: History,
  cuts: Cuts,
  work: Work,
  open: Open = openAsUsual,
): Promise<Left[]> {
  const history = new History(before);
  const left = new Map<string, Left>();
  const cut = () => {
    for (const image of disk.images(cuts)) {
      const key = JSON.stringify([
        digestOfImage(image),
        [...history.acknowledged],
        [...history.requested],
      ]);
      if (!left.has(key)) left.set(key, { image, history: new History(history) });
    }
  };
  disk.before = cut;
  const journal = await open(disk);
  history.find(journal);
  assert.equal(await work(journal, history), true);
  await settled();
  cut();
  return [...left.values()];
}

/** Opens the file, writes one more user, and cuts the power before or after that. */
export async function cutAfterOpen(disk: PowerDisk, history: History): Promise<Left[]> {
  const journal = await openAsUsual(disk);
  history.find(journal);
  const left = [...disk.images(atSomeBytes)].map((image) => {
    return { image, history: new History(history) };
  });
  assert.equal(await oneMore(journal, history), true);
  for (const image of disk.images(atSomeBytes)) left.push({ image, history });
  return left;
}

/** Waits until a compaction under way has ended: a disk in memory answers before any timer. */
const settled = () => setImmediate();

export interface Life {
  readonly journal: Journal<User> | undefined;
  /** The work ended before it reached the step that should fail. */
  readonly isPast: boolean;
}

/** Opens the file and does the work, while some steps in a row fail. */
export async function live(
  disk: PowerDisk,
  history: History,
  work: Work,
  { first, failures }: { first: number; failures: number },
  open: Open = openAsUsual,
): Promise<Life> {
  let step = 0;
  disk.before = () => {
    step += 1;
    if (step >= first && step < first + failures) throw new Error('made by the test');
  };
  const journal = await open(disk).catch(() => undefined);
  if (journal !== undefined) {
    history.find(journal);
    await work(journal, history);
  }
  await settled();
  disk.before = () => undefined;
  return { journal, isPast: step < first };
}

/** Lets each step of the work fail in turn, with some steps after it, and inspects the outcome. */
export async function failAnywhere(
  { image, history: before }: Left,
  work: Work,
  failures: number,
  inspect: (disk: PowerDisk, history: History, journal?: Journal<User>) => Promise<void>,
  open?: Open,
): Promise<void> {
  for (let first = 1, isPast = false; !isPast; first += 1) {
    const disk = new PowerDisk(image);
    const history = new History(before);
    const life = await live(disk, history, work, { first, failures }, open);
    await inspect(disk, history, life.journal);
    isPast = life.isPast;
  }
}

export async function assertSound(left: readonly Left[], atLeast: number): Promise<void> {
  assert.ok(left.length >= atLeast, `${left.length} cuts`);
  for (const { image, history } of left) {
    history.assertSound(await openedOnce(image));
  }
}

/** After each possible cut exactly the acknowledged writes are on the disk. */
export async function assertExact(disk: PowerDisk, { acknowledged }: History): Promise<void> {
  for (const image of disk.images(atSomeBytes)) {
    const { entries: users } = await openedOnce(image);
    assert.deepEqual(
      new Map([...users].map(([id, user]) => [id, Number(user.passwordHash)])),
      acknowledged,
    );
  }
}
