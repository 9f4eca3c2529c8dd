/** A property of changes that share a write: they give the answers of the same ones one by one. */
import assert from 'node:assert/strict';
import { RecordChanges, type Rule } from '../../src/sessions/record-changes.ts';
import * as rules from '../../src/sessions/rules.ts';
import { below, type Random } from './generators.ts';
import { NOW, POLICY } from './session-rules.ts';
import { UnorderedSessionStore } from './unordered-session-store.ts';

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
export async function sharedCase(random: Random): Promise<string> {
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
