/** The requests that the servers of this process have received, also those that wait their turn. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { TestContext } from 'node:test';
import { isObject } from '../../src/values.ts';

const CHANNEL = 'http.server.request.start';

/** @returns a list that grows with each request, until the test ends */
export function arrivalsOf(t: Pick<TestContext, 'after'>): readonly WeakRef<object>[] {
  const arrivals: WeakRef<object>[] = [];
  const onRequest = (event: unknown) => {
    if (isObject(event) && isObject(event['request'])) arrivals.push(new WeakRef(event['request']));
  };
  subscribe(CHANNEL, onRequest);
  t.after(() => unsubscribe(CHANNEL, onRequest));
  return arrivals;
}
