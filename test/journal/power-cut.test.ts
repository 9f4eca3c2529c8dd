/**
 * Holds the journal to its promise on a disk whose power is cut at every point, and on one that fails at every
 * operation: what was answered is there, what was refused is not, and the file can always be opened again.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Journal } from '../../src/journal/journal.ts';
import { EMPTY_LINE } from '../../src/journal/lines.ts';
import type { User } from '../../src/users/store.ts';
import { userRecord } from '../../src/users/user-records.ts';
import { PowerDisk, type Cuts, type Image } from '../support/simulated-disk.ts';
import { HEADER_LINE, openJournal, userLine, userNamed } from '../support/user-files.ts';

const PATH = '/users/users.jsonl';

const atEveryByte: Cuts = (length) => Array(length).keys();
const atSomeBytes: Cuts = (length) => [0, 1, length >> 1, length - 1];

/** The newest version of each user that was asked for, and that was answered. A hash tells its version. */
class History {
  readonly asked: Map<string, number>;
  readonly answered: Map<string, number>;

  constructor(before?: History) {
    this.asked = new Map(before?.asked);
    this.answered = new Map(before?.answered);
  }

  /** Writes a new version of each user, all at once. @returns whether all were answered */
  async write(journal: Journal<User>, ...ids: string[]): Promise<boolean> {
    const write = async (id: string) => {
      const version = (this.asked.get(id) ?? 0) + 1;
      this.asked.set(id, version);
      const user = userNamed(id, `${version}`);
      await journal.append(userRecord(journal.entries.has(id) ? 'update' : 'insert', user));
      this.answered.set(id, version);
    };
    const outcomes = await Promise.allSettled(ids.map(write));
    return outcomes.every(({ status }) => status === 'fulfilled');
  }

  /** A client is told that the name of a user who is found is taken. That counts as an answer, too. */
  find({ entries: users }: Journal<User>): void {
    this.#assertKept(users);
    for (const [id, { passwordHash }] of users) this.answered.set(id, Number(passwordHash));
  }

  /** Nothing that was answered is missing or old, and nothing is there that was not asked for. */
  assertSound({ entries: users }: Journal<User>): void {
    this.#assertKept(users);
    for (const [id, { passwordHash }] of users) {
      assert.ok(Number(passwordHash) <= (this.asked.get(id) ?? 0), `${id} was not asked for`);
    }
  }

  #assertKept(users: Journal<User>['entries']): void {
    for (const [id, version] of this.answered) {
      assert.ok(Number(users.get(id)?.passwordHash) >= version, `${id} is lost`);
    }
  }
}

type Work = (journal: Journal<User>, history: History) => Promise<unknown>;

const threeBatches: Work = async (journal, history) => {
  let isAnswered = true;
  for (const ids of [['joe'], ['ann', 'bob', 'ñandú'], ['joe', 'eve']]) {
    isAnswered = (await history.write(journal, ...ids)) && isAnswered;
  }
  return isAnswered;
};

const oneMore: Work = (journal, history) => history.write(journal, 'late');

/** What is on a disk, and what is known of it. */
interface Left {
  readonly image: Image;
  readonly history: History;
}

const nothing: Left = { image: new Map(), history: new History() };

/** Three users and an update, by a server that stopped cleanly. */
async function closedFile(): Promise<Left> {
  const disk = new PowerDisk();
  const history = new History();
  const journal = await openJournal(PATH, disk);
  await threeBatches(journal, history);
  await journal.close();
  const [image = new Map()] = disk.images(atSomeBytes);
  return { image, history };
}

/** Three users, and so many updates that the file is compacted when it is opened. */
function wornFile(end: string): Left {
  const history = new History();
  const lines = [HEADER_LINE];
  for (let version = 1; version <= 400; version += 1) {
    for (const id of ['joe', 'ann', 'bob']) {
      lines.push(userLine(version === 1 ? 'insert' : 'update', userNamed(id, `${version}`)));
      for (const versions of [history.asked, history.answered]) versions.set(id, version);
    }
  }
  return { image: new Map([[PATH, Buffer.from(lines.join('') + end)]]), history };
}

const closed = await closedFile();
/** One that was not closed, and one that was. */
const worn = wornFile('');
const wornAndClosed = wornFile(EMPTY_LINE);

/** What there is at first, and what is done then. */
const LIVES: readonly [Left, Work][] = [
  [nothing, threeBatches],
  [closed, oneMore],
  [worn, oneMore],
  [wornAndClosed, oneMore],
];

/** Opens the file and does the work; at every step cuts the power, and answers what each cut leaves. */
async function cutAnywhere(disk: PowerDisk, before: History, cuts: Cuts, work: Work): Promise<Left[]> {
  const history = new History(before);
  const left = new Map<string, Left>();
  const cut = () => {
    for (const image of disk.images(cuts)) {
      const files = [...image].map(([path, bytes]) => [path, bytes.toString('latin1')]);
      const key = JSON.stringify([files.sort(), [...history.answered], [...history.asked]]);
      if (!left.has(key)) left.set(key, { image, history: new History(history) });
    }
  };
  disk.before = cut;
  const journal = await openJournal(PATH, disk);
  history.find(journal);
  assert.equal(await work(journal, history), true);
  cut();
  return [...left.values()];
}

/** Opens the file and writes one more user; cuts the power at any later step. */
async function cutAfterOpen(disk: PowerDisk, history: History): Promise<Left[]> {
  const journal = await openJournal(PATH, disk);
  history.find(journal);
  const left = [...disk.images(atSomeBytes)].map((image) => {
    return { image, history: new History(history) };
  });
  assert.equal(await oneMore(journal, history), true);
  for (const image of disk.images(atSomeBytes)) left.push({ image, history });
  return left;
}

interface Life {
  readonly journal: Journal<User> | undefined;
  /** The work was over before the step that was to fail. */
  readonly isPast: boolean;
}

/** A process that opens the file and does the work, while a step and some after it fail. */
async function live(
  disk: PowerDisk,
  history: History,
  work: Work,
  { first, failures }: { first: number; failures: number },
): Promise<Life> {
  let step = 0;
  disk.before = () => {
    step += 1;
    if (step >= first && step < first + failures) throw new Error('made by the test');
  };
  const journal = await openJournal(PATH, disk).catch(() => undefined);
  if (journal !== undefined) {
    history.find(journal);
    await work(journal, history);
  }
  disk.before = () => undefined;
  return { journal, isPast: step < first };
}

/** Once for each step of the work, lets that one and some after it fail, and looks at what came of it. */
async function failAnywhere(
  { image, history: before }: Left,
  work: Work,
  failures: number,
  inspect: (disk: PowerDisk, history: History, journal?: Journal<User>) => Promise<void>,
): Promise<void> {
  for (let first = 1, isPast = false; !isPast; first += 1) {
    const disk = new PowerDisk(image);
    const history = new History(before);
    const life = await live(disk, history, work, { first, failures });
    await inspect(disk, history, life.journal);
    isPast = life.isPast;
  }
}

async function assertSound(left: readonly Left[], atLeast: number): Promise<void> {
  assert.ok(left.length >= atLeast, `${left.length} cuts`);
  for (const { image, history } of left) {
    history.assertSound(await openJournal(PATH, new PowerDisk(image)));
  }
}

/** What is there after each possible cut is exactly what was answered. */
async function assertExact(disk: PowerDisk, { answered }: History): Promise<void> {
  for (const image of disk.images(atSomeBytes)) {
    const { entries: users } = await openJournal(PATH, new PowerDisk(image));
    assert.deepEqual(new Map([...users].map(([id, user]) => [id, Number(user.passwordHash)])), answered);
  }
}

test('whenever the power is cut, and at whatever byte a write is torn, what was answered is there', async () => {
  await assertSound(await cutAnywhere(new PowerDisk(), nothing.history, atEveryByte, threeBatches), 1000);
});

test('a power cut while the file is compacted and renamed loses nothing that was answered', async () => {
  for (const { image, history } of [worn, wornAndClosed]) {
    const left = await cutAnywhere(new PowerDisk(image), history, atEveryByte, oneMore);
    await assertSound(left, 500);
    assert.ok(left.some(({ image: files }) => files.size === 2), 'the new file beside the old one');
    const isAlone = ({ image: files }: Left) =>
      files.size === 1 && Number(files.get(PATH)?.length) < 1000;
    assert.ok(left.some(isAlone), 'the new file alone');
  }
});

test('the power may be cut again while what the first cut left is mended', async () => {
  for (const { image, history } of await cutAnywhere(new PowerDisk(), nothing.history, atSomeBytes, threeBatches)) {
    await assertSound(await cutAnywhere(new PowerDisk(image), history, atSomeBytes, oneMore), 1);
  }
});

/** The work, and then a clean stop. */
const andClose = (work: Work): Work => async (journal, history) => {
  await work(journal, history);
  await journal.close();
};

test('what a killed process left in the memory of the system is made to last before the next one answers', async () => {
  for (const [life, work] of LIVES) {
    await failAnywhere(life, andClose(work), Infinity, async (disk, history) => {
      await assertSound(await cutAnywhere(disk, history, atSomeBytes, oneMore), 1);
    });
  }
});

test('after a sync that failed, a kill and a restart, a power cut loses nothing that was answered', async () => {
  const disk = new PowerDisk();
  const history = new History();
  const journal = await openJournal(PATH, disk);
  assert.equal(await history.write(journal, 'joe'), true);
  // The write, its sync, and whatever would take it back.
  const writeToSync = 3;
  let step = 0;
  disk.before = () => {
    step += 1;
    if (step >= writeToSync) throw new Error('made by the test');
  };
  assert.equal(await history.write(journal, 'ann'), false);
  const restarted = await cutAnywhere(disk, history, atSomeBytes, threeBatches);
  await assertSound(restarted, 100);
  const inTheEnd = [...disk.images(atSomeBytes)];
  assert.ok(inTheEnd.length > 0);
  for (const image of inTheEnd) {
    const { entries: users } = await openJournal(PATH, new PowerDisk(image));
    assert.deepEqual([...users.keys()].sort(), ['ann', 'bob', 'eve', 'joe', 'ñandú']);
  }
});

test('syncs may fail in two lives of the server, and what the third answers survives a power cut', async () => {
  for (const [{ image, history: before }, work] of LIVES.slice(0, 2)) {
    for (const failures of [1, Infinity]) {
      for (let first = 1, isPast = false; !isPast; first += 1) {
        for (let second = 1, isSecondPast = false; !isSecondPast; second += 1) {
          const disk = new PowerDisk(image);
          const history = new History(before);
          ({ isPast } = await live(disk, history, andClose(work), { first, failures }));
          const life = await live(disk, history, andClose(oneMore), { first: second, failures: 1 });
          isSecondPast = life.isPast;
          await assertSound(await cutAfterOpen(disk, history), 1);
        }
      }
    }
  }
});

test('a restored copy that was never synced is not trusted once its sync has failed', async () => {
  const [copy] = closed.image.values();
  assert.ok(copy !== undefined);
  for (const failures of [1, 2]) {
    for (let first = 1, isPast = false; !isPast; first += 1) {
      const disk = new PowerDisk();
      await (await disk.open(PATH, 'a+')).writeFile(copy);
      const history = new History(closed.history);
      ({ isPast } = await live(disk, history, async () => undefined, { first, failures }));
      await assertSound(await cutAfterOpen(disk, history), 1);
    }
  }
});

test('a clean stop leaves a file that is opened as it is, any other stop one that is replaced', async () => {
  const inoOf = async (disk: PowerDisk) => (await disk.stat(PATH)).ino;
  const disk = new PowerDisk(closed.image);
  const first = await inoOf(disk);
  const journal = await openJournal(PATH, disk);
  assert.equal(await inoOf(disk), first);
  await journal.close();
  await openJournal(PATH, disk);
  assert.equal(await inoOf(disk), first);
  // The last one was not closed.
  await (await openJournal(PATH, disk)).close();
  assert.notEqual(await inoOf(disk), first);
});

test('whenever the power is cut, what is cut off is either still in the file or saved beside it', async () => {
  const tail = Buffer.from('{"op":"insert","id":"torn');
  const [bytes = Buffer.alloc(0)] = closed.image.values();
  const disk = new PowerDisk(new Map([[PATH, Buffer.concat([bytes, tail])]]));
  const left = await cutAnywhere(disk, closed.history, atSomeBytes, oneMore);
  await assertSound(left, 50);
  const isSaved = ({ image }: Left) => image.get(`${PATH}.cut-1`)?.equals(tail);
  assert.ok(left.some(isSaved));
  for (const one of left) assert.ok(isSaved(one) || one.image.get(PATH)?.includes(tail));
});

test('a file that was not closed is not opened while it cannot be copied', async () => {
  const steps: (string | undefined)[] = [];
  for (let first = 1, isPast = false; !isPast; first += 1) {
    const disk = new PowerDisk(worn.image);
    let step = 0;
    disk.before = () => {
      step += 1;
      if (step === first) throw new Error('made by the test');
    };
    const error = await openJournal(PATH, disk).then(() => undefined, String);
    steps.push(error);
    isPast = step < first;
    disk.before = () => undefined;
    const { entries: users } = await openJournal(PATH, disk);
    assert.equal(users.get('joe')?.passwordHash, '400');
  }
  // Opening the file and its folder is not the copy. A file that may not be given away is kept.
  const copies = steps.filter((error) => error?.includes('The copy failed (made by the test)'));
  assert.ok(copies.length >= 5, steps.join('\n'));
  assert.deepEqual(steps.filter((error) => error === undefined).length, 1, steps.join('\n'));
});

test('whichever operation fails, what was refused is not on the disk, and the next write is', async () => {
  for (const [life, work] of LIVES) {
    await failAnywhere(life, work, 1, async (disk, history, journal) => {
      if (journal !== undefined) await assertExact(disk, history);
    });
    for (const failures of [1, 2, 3, 4]) {
      for (const end of [oneMore, (journal: Journal<User>) => journal.close()]) {
        await failAnywhere(life, work, failures, async (disk, history, journal) => {
          await end(journal ?? (await openJournal(PATH, disk)), history);
          await assertExact(disk, history);
        });
      }
    }
  }
});
