/**
 * Holds the journal to its promise on a disk whose power is cut at every point, and on one that fails at every
 * operation: what was answered is there, what was refused is not, and the file can always be opened again.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Journal } from '../src/users/journal.ts';
import { HEADER_LINE, lineOf } from '../src/users/json-lines.ts';
import { PowerDisk, type Cuts, type Image } from './power-disk.ts';
import { userNamed } from './store-support.ts';

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
  async write(journal: Journal, ...ids: string[]): Promise<boolean> {
    const write = async (id: string) => {
      const version = (this.asked.get(id) ?? 0) + 1;
      this.asked.set(id, version);
      const user = userNamed(id, `${version}`);
      await journal.append(lineOf(journal.users.has(id) ? 'update' : 'insert', user));
      journal.users.set(id, user);
      this.answered.set(id, version);
    };
    const outcomes = await Promise.allSettled(ids.map(write));
    return outcomes.every(({ status }) => status === 'fulfilled');
  }
}

type Work = (journal: Journal, history: History) => Promise<unknown>;

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

/** Three users, and so many updates that the file is compacted when it is opened. */
function wornFile(): Left {
  const history = new History();
  const lines = [HEADER_LINE];
  for (let version = 1; version <= 400; version += 1) {
    for (const id of ['joe', 'ann', 'bob']) {
      lines.push(lineOf(version === 1 ? 'insert' : 'update', userNamed(id, `${version}`)));
      for (const versions of [history.asked, history.answered]) versions.set(id, version);
    }
  }
  return { image: new Map([[PATH, Buffer.from(lines.join(''))]]), history };
}

const worn = wornFile();

/** What there is at first, and what is done then. */
const LIVES: readonly [Left, Work][] = [[nothing, threeBatches], [worn, oneMore]];

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
  const journal = await Journal.open(PATH, disk);
  // Whoever is found is told that the name is taken, so that counts as an answer, too.
  for (const [id, { passwordHash }] of journal.users) history.answered.set(id, Number(passwordHash));
  assert.equal(await work(journal, history), true);
  cut();
  return [...left.values()];
}

/** Once for each step of the work, lets that one and some after it fail, and looks at what came of it. */
async function failAnywhere(
  { image, history: before }: Left,
  work: Work,
  failures: number,
  inspect: (disk: PowerDisk, history: History, journal?: Journal) => Promise<void>,
): Promise<void> {
  for (let first = 1, isPast = false; !isPast; first += 1) {
    const disk = new PowerDisk(image);
    const history = new History(before);
    let step = 0;
    disk.before = () => {
      step += 1;
      if (step >= first && step < first + failures) throw new Error('made by the test');
    };
    const journal = await Journal.open(PATH, disk).catch(() => undefined);
    if (journal !== undefined) await work(journal, history);
    disk.before = () => undefined;
    await inspect(disk, history, journal);
    isPast = step < first;
  }
}

/** Nothing that was answered is missing or old, and nothing is there that was not asked for. */
async function assertSound(left: readonly Left[], atLeast: number): Promise<void> {
  assert.ok(left.length >= atLeast, `${left.length} cuts`);
  for (const { image, history } of left) {
    const { users } = await Journal.open(PATH, new PowerDisk(image));
    const versionOf = (id: string) => Number(users.get(id)?.passwordHash);
    for (const [id, version] of history.answered) assert.ok(versionOf(id) >= version, `${id} is lost`);
    for (const id of users.keys()) assert.ok(versionOf(id) <= (history.asked.get(id) ?? 0), `${id} was not asked for`);
  }
}

/** What is there after each possible cut is exactly what was answered. */
async function assertExact(disk: PowerDisk, { answered }: History): Promise<void> {
  for (const image of disk.images(atSomeBytes)) {
    const { users } = await Journal.open(PATH, new PowerDisk(image));
    assert.deepEqual(new Map([...users].map(([id, user]) => [id, Number(user.passwordHash)])), answered);
  }
}

test('whenever the power is cut, and at whatever byte a write is torn, what was answered is there', async () => {
  await assertSound(await cutAnywhere(new PowerDisk(), nothing.history, atEveryByte, threeBatches), 1000);
});

test('a power cut while the file is compacted and renamed loses nothing that was answered', async () => {
  const left = await cutAnywhere(new PowerDisk(worn.image), worn.history, atEveryByte, oneMore);
  await assertSound(left, 500);
  assert.ok(left.some(({ image }) => image.size === 2), 'the new file beside the old one');
  assert.ok(left.some(({ image }) => image.size === 1 && Number(image.get(PATH)?.length) < 1000), 'the new file alone');
});

test('the power may be cut again while what the first cut left is mended', async () => {
  for (const { image, history } of await cutAnywhere(new PowerDisk(), nothing.history, atSomeBytes, threeBatches)) {
    await assertSound(await cutAnywhere(new PowerDisk(image), history, atSomeBytes, oneMore), 1);
  }
});

test('what a killed process left in the memory of the system is made to last before the next one answers', async () => {
  for (const [life, work] of LIVES) {
    await failAnywhere(life, work, Infinity, async (disk, history) => {
      await assertSound(await cutAnywhere(disk, history, atSomeBytes, oneMore), 1);
    });
  }
});

test('whichever operation fails, what was refused is not on the disk, and the next write is', async () => {
  for (const [life, work] of LIVES) {
    await failAnywhere(life, work, 1, async (disk, history, journal) => {
      if (journal !== undefined) await assertExact(disk, history);
    });
    for (const failures of [1, 2, 3, 4]) {
      for (const end of [oneMore, (journal: Journal) => journal.close()]) {
        await failAnywhere(life, work, failures, async (disk, history, journal) => {
          await end(journal ?? (await Journal.open(PATH, disk)), history);
          await assertExact(disk, history);
        });
      }
    }
  }
});
