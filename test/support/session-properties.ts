/** Properties of sessions, over two servers on one store that answers in any order. */
import assert from 'node:assert/strict';
import { Sessions } from '../../src/index.ts';
import { isAuthError } from '../../src/errors.ts';
import { RecordChanges, type Rule } from '../../src/sessions/record-changes.ts';
import * as rules from '../../src/sessions/rules.ts';
import type { RefreshResult } from '../../src/sessions/rules.ts';
import { below, pick, type Random } from './generators.ts';
import type { Property } from './properties.ts';
import { NOW, POLICY } from './session-rules.ts';
import { UnorderedSessionStore } from './unordered-session-store.ts';

/** Two servers, whose clocks differ by at most 10 seconds, and their store. */
class World {
  now = NOW;
  readonly graceSeconds: number;
  readonly store: UnorderedSessionStore;
  readonly random: Random;
  readonly #servers: readonly Sessions[];

  constructor(random: Random, failureRate: number) {
    this.random = random;
    this.store = new UnorderedSessionStore(random, failureRate);
    this.graceSeconds = pick(random, [0, 10, 60]);
    const { store, graceSeconds } = this;
    this.#servers = [0, 1].map(() => {
      const aheadSeconds = below(random, 11) - 5;
      return new Sessions({ store, graceSeconds, now: () => this.now + aheadSeconds });
    });
  }

  /** Either of the servers. */
  get server(): Sessions {
    return pick(this.random, this.#servers);
  }
}

/** What a call came to, or undefined if the store failed. */
async function orFailure<T>(call: Promise<T>): Promise<{ readonly value: T } | undefined> {
  try {
    return { value: await call };
  } catch (error) {
    if (isAuthError(error) && error.code === 'ERR_STORE') return undefined;
    throw error;
  }
}

/** `maybe`: a call that ends the session failed, or overlapped its login. */
type Ending = 'no' | 'maybe' | 'yes';

/** Tabs that share one store of tokens. They keep a new pair before they use it. */
class Client {
  /** The generation of the pair that the client has. */
  generation = 0;
  ending: Ending = 'no';
  readonly #world: World;
  readonly userId: string;
  readonly id: string;

  constructor(world: World, userId: string, id: string) {
    this.#world = world;
    this.userId = userId;
    this.id = id;
  }

  /** One to three refreshes at once with the same token. Some answers are lost. */
  async refresh(): Promise<void> {
    const { random } = this.#world;
    const sent = this.generation;
    const calls = Array.from({ length: 1 + below(random, 3) }, () => this.#refreshOnce(sent));
    for (const answer of await Promise.all(calls)) {
      const isLost = random() < 0.4;
      const generation = answer?.session?.generation;
      if (isLost || generation === undefined) continue;
      // An answer is kept only if the token that was sent is still the one that the tabs have.
      if (this.generation === sent) this.generation = generation;
    }
  }

  async #refreshOnce(sent: number): Promise<RefreshResult | undefined> {
    const { store, server } = this.#world;
    const was = this.ending;
    const first = store.peek(this.userId, this.id)?.generation;
    const answer = await orFailure(server.refresh(this.userId, this.id, sent));
    if (answer === undefined) return undefined;
    const { outcome, session } = answer.value;
    this.#judge(was, session !== undefined, outcome);
    const last = store.peek(this.userId, this.id)?.generation;
    if (session !== undefined && first !== undefined && last !== undefined) {
      // Only the token that was current at some moment of the call is given.
      assert.ok(first <= session.generation && session.generation <= last);
    }
    return answer.value;
  }

  async use(): Promise<void> {
    const was = this.ending;
    const { server } = this.#world;
    const checking = Promise.resolve(server.check(this.userId, this.id, this.generation));
    const checked = await orFailure(checking);
    if (checked !== undefined) this.#judge(was, checked.value !== undefined, 'use');
  }

  /** @param was what was known when the call began */
  #judge(was: Ending, isAnswered: boolean, outcome: string): void {
    if (was === 'yes') assert.ok(!isAnswered, 'a session that has ended answered again');
    if (isAnswered) return;
    assert.notEqual(outcome, 'reused', 'an honest client was taken for a thief');
    assert.notEqual(this.ending, 'no', 'an honest client was logged out');
    this.ending = 'yes';
  }
}

/** A login, and its client if the store did not fail. */
async function logIn(world: World, clients: Client[], userId: string): Promise<void> {
  const started = await orFailure(world.server.start(userId, { isRefreshable: true }));
  if (started !== undefined) clients.push(new Client(world, userId, started.value.id));
}

/** Ends sessions. The clients know for certain only if the call succeeds. */
async function endSessions(ended: Client[], call: () => Promise<unknown>): Promise<void> {
  for (const client of ended) if (client.ending === 'no') client.ending = 'maybe';
  if ((await orFailure(call())) === undefined) return;
  for (const client of ended) client.ending = 'yes';
}

function randomAction(world: World, client: Client, clients: readonly Client[]): Promise<void> {
  const { random, server } = world;
  const { userId, id } = client;
  const choice = random();
  if (choice < 0.5) return client.refresh();
  if (choice < 0.93) return client.use();
  if (choice < 0.97) return endSessions([client], () => server.end(userId, id));
  const others = clients.filter((other) => other.userId === userId && other !== client);
  return endSessions(others, () => server.endAll(userId, id));
}

const CLOCK_STEPS = [0, 0, 1, 5, 9, 10, 11, 60, 3000, 3600, -3600, -30];

async function honestCase(random: Random): Promise<string> {
  const world = new World(random, pick(random, [0, 0.1, 0.3]));
  const clients: Client[] = [];
  const { store } = world;
  const isOneByOne = random() < 0.2;
  for (const userId of ['joe', 'joe', 'joe', 'ann']) {
    await store.settle([logIn(world, clients, userId)]);
  }
  for (let round = 0; round < 12; round += 1) {
    const present = [...clients];
    const actions: Promise<void>[] = [];
    for (const client of present) {
      const action = randomAction(world, client, present);
      if (isOneByOne) await store.settle([action]);
      else actions.push(action);
    }
    const logins = random() < 0.2 ? [logIn(world, clients, 'joe')] : [];
    await store.settle([...actions, ...logins]);
    const isEnding = present.some(({ ending }) => ending !== 'no');
    // An end of all sessions may have ended the login that overlapped it.
    for (const client of clients.slice(present.length)) if (isEnding) client.ending = 'maybe';
    world.now += pick(random, CLOCK_STEPS);
  }
  const end = clients.some(({ ending }) => ending === 'yes') ? 'some ended' : 'none ended';
  return `${store.lostPuts > 0 ? 'contended' : 'calm'}, ${end}`;
}

/** The owner, or a thief with a copy of the owner's refresh token, goes on alone. */
async function goOn(world: World, id: string, from: number): Promise<void> {
  const { store, random, graceSeconds } = world;
  let generation = from;
  for (let turn = 1 + below(random, 3); turn > 0; turn -= 1) {
    const sent = generation;
    // All answers but the last are lost.
    for (let tries = 1 + below(random, 3); tries > 0; tries -= 1) {
      const [answer] = await store.settle([world.server.refresh('joe', id, sent)]);
      generation = answer?.session?.generation ?? assert.fail(answer?.outcome);
      assert.equal(generation, sent + 1);
    }
    const [used] = await store.settle([Promise.resolve(world.server.check('joe', id, generation))]);
    assert.ok(used);
    // The servers' clocks differ by at most 10 seconds.
    world.now += graceSeconds + 11 + below(random, 3000);
  }
}

async function thiefCase(random: Random): Promise<string> {
  const world = new World(random, 0);
  const { store } = world;
  const logins = [0, 1, 2].map(() => world.server.start('joe', { isRefreshable: true }));
  const [stolen, ...others] = (await store.settle(logins)).map(({ id }) => id);
  const id = stolen ?? assert.fail();
  const isBefore = random() < 0.5;
  if (isBefore) await goOn(world, id, 0);
  const copied = store.peek('joe', id)?.generation ?? assert.fail();
  await goOn(world, id, copied);
  const current = store.peek('joe', id)?.generation ?? assert.fail();
  const [answer] = await store.settle([world.server.refresh('joe', id, copied)]);
  assert.deepEqual(answer, { outcome: 'reused' });
  for (const generation of [copied, copied + 1, current]) {
    const refresh = world.server.refresh('joe', id, generation);
    const check = Promise.resolve(world.server.check('joe', id, generation));
    const answers = await store.settle<unknown>([refresh, check]);
    assert.deepEqual(answers, [{ outcome: 'unknown' }, undefined]);
  }
  for (const other of others) {
    const [checked] = await store.settle([Promise.resolve(world.server.check('joe', other, 0))]);
    assert.ok(checked, 'another session was ended');
  }
  return isBefore ? 'copied after refreshes' : 'copied after the login';
}

const beginning = (id: number): Rule<unknown> => (record, now) => {
  const newSession = { id: `${id}`, isRefreshable: true, endsAt: now + 900, agent: '' };
  const next = rules.start(record, newSession, now, POLICY);
  return { record: next, result: next.sessions };
};

/** A change by chance. Some change nothing, and some are refused. */
function randomRule(random: Random, number: number): Rule<unknown> {
  const choice = random();
  // Only the id of a session that is in the store can be in a token.
  const known = `${1 + below(random, 3)}`;
  const id = `${below(random, number + 1)}`;
  if (choice < 0.4) return beginning(number);
  return (record, now) => {
    if (choice < 0.5) throw new Error(`refusal ${number}`);
    if (choice < 0.6) return { record, result: record.sessions.length };
    if (choice < 0.7) return rules.refresh(record, known, 0, now, POLICY);
    const next =
      choice < 0.8 ? rules.use(record, id, 1, now, POLICY)
      : choice < 0.95 ? rules.end(record, id, now, POLICY)
      : rules.endAll(record, id, now, POLICY);
    return { record: next, result: next.sessions };
  };
}

/** One server. Its answers are those of the same changes one by one, in the order of the calls. */
async function sharedCase(random: Random): Promise<string> {
  const store = new UnorderedSessionStore(random, 0);
  const changes = new RecordChanges(store, () => NOW);
  let expected = rules.NO_RECORD;
  let count = 0;
  for (; count < 3; count += 1) {
    const begin = beginning(count + 1);
    expected = begin(expected, NOW).record;
    await store.settle([Promise.resolve(changes.apply('joe', begin))]);
  }
  const answers: Promise<unknown>[] = [];
  const expectedAnswers: unknown[] = [];
  for (let wave = 1 + below(random, 3); wave > 0; wave -= 1) {
    const started = Array.from({ length: 1 + below(random, 8) }, async () => {
      const rule = randomRule(random, (count += 1));
      try {
        const { record, result } = rule(expected, NOW);
        expected = record;
        expectedAnswers.push(result);
      } catch (error) {
        expectedAnswers.push(String(error));
      }
      return changes.apply('joe', rule);
    });
    const settled = started.map((answer) => answer.catch(String));
    answers.push(...settled);
    // The next wave may begin while some changes of this one wait.
    if (random() < 0.5) await store.settle(settled.slice(0, 1));
  }
  assert.deepEqual(await store.settle(answers), expectedAnswers);
  const [found] = await store.settle([store.find('joe')]);
  assert.deepEqual(found?.sessions ?? [], expected.sessions);
  assert.equal(found?.endedAt ?? 0, expected.endedAt);
  assert.deepEqual([store.lostPuts, found?.version ?? 0], [0, store.writes]);
  return expected.version > store.writes ? 'some shared a write' : 'none shared a write';
}

export const SESSION_PROPERTIES: readonly Property[] = [
  {
    name: 'a client that only loses answers stays logged in until its session is ended, for good',
    cases: 200,
    outcomes: [
      'calm, none ended',
      'calm, some ended',
      'contended, none ended',
      'contended, some ended',
    ],
    check: honestCase,
  },
  {
    name: 'a refresh token that is used after its successor and the grace ends its session alone',
    cases: 200,
    outcomes: ['copied after refreshes', 'copied after the login'],
    check: thiefCase,
  },
  {
    name: 'changes of one user at once give the answers of the same changes one by one',
    cases: 200,
    outcomes: ['none shared a write', 'some shared a write'],
    check: sharedCase,
  },
];
