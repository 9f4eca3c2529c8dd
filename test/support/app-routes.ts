/** The routes of `createApp`, such as `GET /hello`, as the application itself adds them. */
import { Routes } from '../../src/http/routes.ts';
import {
  createApp,
  MemorySessionStore,
  MemoryUserStore,
  Sessions,
  type AppOptions,
} from '../../src/index.ts';
import { SECRET } from './tokens.ts';

function routesOf(options: Partial<AppOptions>): string[] {
  const added: string[] = [];
  const { add } = Routes.prototype;
  Routes.prototype.add = function record(method, path, handler) {
    added.push(`${method} ${path}`);
    return add.call(this, method, path, handler);
  };
  try {
    createApp({ secret: SECRET, users: new MemoryUserStore(), ...options });
  } finally {
    Routes.prototype.add = add;
  }
  return added;
}

export const ROUTES_WITHOUT_SESSIONS: readonly string[] = routesOf({});

/** Every route, except for the page. */
export const ROUTES: readonly string[] = routesOf({
  sessions: new Sessions({ store: new MemorySessionStore() }),
});

/** @returns the path of a route such as `GET /hello` */
export const pathOf = (route: string): string => route.split(' ')[1] ?? '';
