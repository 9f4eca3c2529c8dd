/**
 * What each step of the page sends, and what it does with the answer.
 * Promise: a password is kept in its field alone, and no longer than it is of use. Nothing is
 * stored in the browser.
 */
'use strict';

/** @typedef {import('../page.ts').PageSettings} PageSettings */

/**
 * The inputs of a form, by their names.
 * @typedef {object} Fields
 * @property {string} [username]
 * @property {string} [password]
 * @property {string} [next] the new password
 * @property {string} [refresh] present if the box is checked
 * @property {string} [session] the id of a session
 * @property {'access' | 'previous' | 'none'} [token]
 */

/** How long the page waits for an answer. A server with many logins at once takes seconds. */
const TIMEOUT_MS = 20_000;

/** @type {PageSettings} */
const settings = JSON.parse(byId('settings').textContent);
const { authPath, usernameField, passwordField } = settings;

/**
 * Makes the request of each form, by the id of the form. A member that is undefined is not sent.
 * @type {Record<string, (fields: Fields) => Sent>}
 */
const requests = {
  'sign-up': (fields) => post('/signup', credentials(fields)),
  'log-in': (fields) => {
    const refresh = fields.refresh === undefined ? undefined : true;
    return post(authPath, { ...credentials(fields), refresh });
  },
  'hello': ({ token }) => get('/hello', token === 'none' ? undefined : login[token ?? 'access']),
  'refresh': () => post('/refresh', { refresh_token: login.refresh }),
  'sessions': () => get('/sessions', login.access),
  'end-sessions': ({ password, session }) => {
    return post('/sessions/end', { [passwordField]: password, id: session }, login.access);
  },
  'change-password': ({ password, next }) => post('/password', {
    [passwordField]: password,
    [`new_${passwordField}`]: next,
    refresh: login.refresh === undefined ? undefined : true,
  }, login.access),
  'log-out': () => {
    const { access, refresh } = login;
    if (refresh === undefined) return post('/logout', undefined, access);
    return post('/logout', { refresh_token: refresh });
  },
  'remove': ({ password }) => {
    return post('/account/remove', { [passwordField]: password }, login.access);
  },
};

/**
 * What the page does after a success, by the id of the form. If it returns a text, that is shown as
 * the result, in place of `data-done` of the form.
 * @type {Record<string, (answer: Answer, fields: Fields) => string | void>}
 */
const effects = {
  'sign-up': (_answer, { username }) => fillUsernames(username, '#log-in'),
  'log-in': (answer, { username }) => {
    beginLogin(username, answer);
    return `You are logged in as ${username}.`;
  },
  'refresh': keepTokens,
  'sessions': showSessions,
  'end-sessions': (_answer, { session }) => {
    clearSessions();
    if (session === undefined || session !== ownSessionId()) return undefined;
    endLogin();
    return 'Ended. It was the session of this page, so you are logged out.';
  },
  'change-password': (answer) => beginLogin(login.username, answer),
  'log-out': endLogin,
  'remove': endLogin,
};

/** With these the server says that the login of a token has ended. */
const ENDED_CODES = ['ERR_SESSION_ENDED', 'ERR_IDENTITY_UNKNOWN'];

/** With these the server refuses a token for good. A refresh may get another one. */
const DEAD_TOKEN_CODES = ['ERR_JWT_EXPIRED', 'ERR_JWT_TOO_OLD', 'ERR_JWT_SIGNATURE'];

/** @type {(form: HTMLFormElement, fields: Fields, answer: Answer) => boolean} */
function endsLogin(form, { token = 'access' }, answer) {
  const code = codeOf(answer);
  if (token !== 'access') return false;
  if (ENDED_CODES.includes(code)) return true;
  const canRefresh = login.refresh !== undefined && form.id !== 'refresh';
  return DEAD_TOKEN_CODES.includes(code) && !canRefresh;
}

/** @type {(fields: Fields) => Record<string, unknown>} */
function credentials({ username, password }) {
  return { [usernameField]: username, [passwordField]: password };
}

/** @type {(token?: string) => Record<string, string>} */
function authorization(token) {
  return token === undefined ? {} : { Authorization: `${settings.scheme} ${token}` };
}

/** @type {(path: string, token?: string) => Sent} */
function get(path, token) {
  return { method: 'GET', path, headers: authorization(token) };
}

/** @type {(path: string, body?: Sent['body'], token?: string) => Sent} */
function post(path, body, token) {
  const headers = authorization(token);
  if (body === undefined) return { method: 'POST', path, headers };
  headers['Content-Type'] = 'application/json';
  return { method: 'POST', path, headers, body };
}

/** @type {(sent: Sent) => Promise<Answer>} if none comes, `statusText` says why */
async function send({ method, path, headers, body }) {
  try {
    // Relative to the page, because a proxy may serve the application below a path of its own.
    const response = await fetch(`.${path}`, {
      method,
      headers,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body && { body: JSON.stringify(body) }),
    });
    const { status, statusText } = response;
    const content = await response.text();
    return { status, statusText, headers: response.headers, body: parsed(content) };
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === 'TimeoutError';
    const statusText = isLate
      ? `No answer came within ${duration(TIMEOUT_MS / 1000)}. The server may still be at work.`
      : 'No answer came. The server may have stopped, or the network is down.';
    return { status: 0, statusText, headers: new Headers(), body: undefined };
  }
}

/** @type {(form: HTMLFormElement, makeRequest: (fields: Fields) => Sent) => void} */
function addStep(form, makeRequest) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (isWaiting(form)) return;
    /** @type {Fields} */
    const fields = Object.fromEntries(new FormData(form, event.submitter));
    const sent = makeRequest(fields);
    const { number } = login;
    showWaiting(form, withDots(sent));
    const answer = await send(sent);
    // If the login has changed, this step was cleared, and may wait for another answer by now.
    if (number !== login.number && !WITHOUT_LOGIN.includes(form.id)) return;
    const isOver = endsLogin(form, fields, answer);
    const problem = problemOf(form, answer, isOver);
    const done = problem === undefined ? effects[form.id]?.(answer, fields) : undefined;
    if (isOver) endLogin();
    showOutcome(form, withDots(sent), answer, { problem, done });
  });
}

/** @type {(sent: Sent) => Sent} the request with dots in place of its passwords */
function withDots(sent) {
  const body = { ...sent.body };
  for (const name of [passwordField, `new_${passwordField}`]) {
    if (Object.hasOwn(body, name)) body[name] = '••••••••';
  }
  return sent.body === undefined ? sent : { ...sent, body };
}

// The start

const unneeded = [
  settings.hasSessions ? '[data-without="sessions"]' : '[data-needs="sessions"]',
  ...(settings.canRemove ? [] : ['section:has(#remove)']),
];
for (const element of document.querySelectorAll(unneeded.join(', '))) element.remove();
for (const hint of document.querySelectorAll('[data-hint]')) {
  show(hint, `At least ${settings.minPasswordLength} characters`);
}
for (const section of document.querySelectorAll('section:not(:has(.exchange))')) {
  section.append(newExchange(section));
}
for (const form of document.forms) {
  const makeRequest = requests[form.id];
  if (makeRequest !== undefined) addStep(form, makeRequest);
}
setInterval(showExpiry, 1000);
