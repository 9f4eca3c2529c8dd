/**
 * Runs services as `latchkey serve`, with persons who use everything that it offers:
 * `npm run soak:service -- --minutes 10`. One service has a file, the other has two servers over
 * PostgreSQL. Servers are killed and stopped on the way, and the database too. Each person keeps a
 * model of what must be true, and the first answer that it forbids ends the run.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { below, type Random } from '../support/generators.ts';
import { randomFrom } from '../support/random.ts';
import { longRun } from './options.ts';
import { Counts } from './service/counts.ts';
import { SoakDatabase } from './service/database.ts';
import { Person } from './service/person.ts';
import { Forbidden } from './service/possible.ts';
import { Service } from './service/service.ts';

/** How many persons use each service at the same time. */
const PERSONS = 8;
/** The most milliseconds between two disturbances of one service. */
const MAX_CALM_MS = 3_000;

async function check(minutes: number, seed: number): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopping.abort());
  const timer = setTimeout(() => stopping.abort(), minutes * 60_000);
  const isOver = () => stopping.signal.aborted;
  const services: Service[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-soak-'));
  const database = await databaseOfRun();
  const secret = randomBytes(32).toString('base64url');
  const common = { secret, random: randomFrom(seed) };
  services.push(new Service({
    ...common,
    name: 'file',
    servers: 1,
    counts: new Counts(),
    storeFlags: () => ['--data', folder],
  }));
  if (database !== undefined) {
    services.push(new Service({
      ...common,
      name: 'postgres',
      servers: 2,
      counts: new Counts(),
      storeFlags: (name) => ['--users', database.urlFor(name)],
      database,
    }));
  }
  try {
    const runs = services.map((service) => runService(service, seed, isOver));
    for (const report of await Promise.all(runs)) console.log(report);
  } catch (error) {
    if (!(error instanceof Forbidden)) throw error;
    // The stack says nothing about the server.
    console.error(`seed ${seed}, ${error.message}`);
    process.exitCode = 1;
  } finally {
    clearTimeout(timer);
    stopping.abort();
    for (const service of services) await service.destroy();
    await database?.remove();
    await rm(folder, { recursive: true });
  }
}

/** @returns undefined if the environment does not name a server that may be stopped */
async function databaseOfRun(): Promise<SoakDatabase | undefined> {
  const { TEST_POSTGRES_URL: url, TEST_POSTGRES_CTL: control } = process.env;
  if (url !== undefined && control !== undefined) return SoakDatabase.create(url, control);
  console.log('only the service over a file runs: TEST_POSTGRES_URL and TEST_POSTGRES_CTL are not');
  console.log('set. .ci/with-postgres sets both: .ci/with-postgres npm run soak:service');
  return undefined;
}

/** @returns what has happened, as lines */
async function runService(
  service: Service,
  seed: number,
  isOver: () => boolean,
): Promise<string> {
  await service.start();
  const persons = Array.from({ length: PERSONS }, (_, index) => {
    const random = randomFrom(seed + index + 1);
    return new Person(`${service.name}-${index}`, service, random);
  });
  const disturbing = disturb(service, randomFrom(seed + PERSONS + 1), isOver);
  await Promise.all([disturbing, ...persons.map((person) => person.run(isOver))]);
  await Promise.all(persons.map((person) => person.checkAll()));
  const accounts = persons.flatMap((person) => person.accounts);
  const stored = await service.stopAndList();
  const expected = accounts.filter(({ isSurelyMissing }) => !isSurelyMissing);
  const ids = expected.map(({ username }) => username).sort();
  if (stored.sort().join() !== ids.join()) {
    throw new Forbidden(`the store has the users ${stored.join()} in place of ${ids.join()}`);
  }
  const sessions = accounts.flatMap(({ logins }) => logins);
  const live = sessions.filter(({ isLive }) => isLive.isSurely(true));
  const end = `${stored.length} users and ${live.length} sessions are as the model says`;
  return [`${service.name}: ${end}`, ...service.counts.lines()].join('\n');
}

async function disturb(service: Service, random: Random, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await delay(below(random, MAX_CALM_MS));
    if (!isOver()) await service.disturb();
  }
}

await longRun({
  name: 'soak:service',
  flag: 'minutes',
  meaning: 'minutes that it runs',
  usual: 10,
  check,
});
