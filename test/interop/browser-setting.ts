/** A server on one origin, and a browser whose pages are of another one. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import {
  createApp,
  MemoryUserStore,
  Sessions,
  type AppOptions,
  type Server,
} from '../../src/index.ts';
import { cheapPasswords, withServer } from '../support/app.ts';
import { WatchedSessionStore } from '../support/session-stores.ts';
import { SECRET } from '../support/tokens.ts';
import { filesWith, setClients, withPages } from './browser-pages.ts';

/** What a test of a page on another origin uses. */
export interface Setting {
  /** Of an origin that the server lists. */
  readonly page: Page;
  readonly context: BrowserContext;
  readonly server: Server;
  readonly sessions: Sessions;
  readonly store: WatchedSessionStore;
  readonly watch: Watch;
}

/** What the server has answered, and what a test does to it. */
export class Watch {
  #answers: string[] = [];
  /** How far the clock of the server is ahead. */
  secondsAhead = 0;
  /** Whether the client gets no answer to a refresh, though the server has made one. */
  losesRefreshes = false;

  readonly now = (): number => Date.now() / 1000 + this.secondsAhead;

  /** @returns the requests that were answered since the last call, such as `POST /auth 200` */
  take(): string[] {
    const answers = this.#answers;
    this.#answers = [];
    return answers;
  }

  /** Records the answer to a request, and loses it where the test wants that. */
  over(app: { handle(message: IncomingMessage, response: ServerResponse): unknown }) {
    const handle = (message: IncomingMessage, response: ServerResponse) => {
      const { method, url, socket } = message;
      const end = response.end;
      response.end = (...chunk: unknown[]) => {
        this.#answers.push(`${method} ${url} ${response.statusCode}`);
        if (this.losesRefreshes && method === 'POST' && url === '/refresh') {
          socket.destroy();
          return response;
        }
        return Reflect.apply(end, response, chunk);
      };
      app.handle(message, response);
    };
    return { handle };
  }
}

/** Runs `use` with a page whose origin is the host and the port of the page server. */
export async function withSetting(
  browser: Browser,
  use: (setting: Setting) => Promise<void>,
  options: Partial<AppOptions> = {},
  timeLimitMs = 15_000,
): Promise<void> {
  const files: Record<string, string> = {};
  await withPages(files, async (port) => {
    const watch = new Watch();
    const { now } = watch;
    const store = new WatchedSessionStore();
    const sessions = new Sessions({ store, now });
    const app = createApp({
      secret: SECRET,
      users: new MemoryUserStore(),
      passwords: cheapPasswords(),
      sessions,
      now,
      cors: [`http://127.0.0.1:${port}`],
      ...options,
    });
    await withServer(watch.over(app), async (server) => {
      const settings = { refreshIn: 'memory', server: server.url, timeLimitMs } as const;
      Object.assign(files, filesWith(settings));
      const context = await browser.newContext();
      await setClients(context, settings);
      const page = await context.newPage();
      await page.goto(`http://127.0.0.1:${port}`);
      try {
        await use({ page, context, server, sessions, store, watch });
      } finally {
        await context.close();
      }
    });
  });
}

/** @returns a promise of the next event of this name about a user, such as `logout` */
export function nextEvent(name: 'logout'): Promise<void> {
  return new Promise((resolve) => {
    const channel = `latchkey:${name}`;
    const onEvent = () => {
      unsubscribe(channel, onEvent);
      resolve();
    };
    subscribe(channel, onEvent);
  });
}
