/**
 * Sends the requests of the page, and shows each one beside its answer.
 * Promise: the tokens are kept in `tokens` and in the shown text alone, and a password in its field
 * alone. Nothing is stored in the browser.
 */
'use strict';

/**
 * What the server says about its application.
 * @typedef {object} Application
 * @property {string} authPath the path of the login
 * @property {string} usernameField
 * @property {string} passwordField
 * @property {string} scheme the word before a token in the Authorization header
 * @property {number} minPasswordLength in characters
 * @property {boolean} hasSessions
 * @property {boolean} canRemove whether an owner can remove the account
 */

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

/** @typedef {Record<string, unknown>} Members */

/**
 * A request.
 * @typedef {object} Sent
 * @property {string} method
 * @property {string} path
 * @property {Record<string, string>} headers
 * @property {Members} [body]
 */

/** @type {Application} */
const application = JSON.parse(byId('application').textContent);
const { authPath, usernameField, passwordField } = application;

/** @type {{ access?: string, refresh?: string, previous?: string, expiresAtMs?: number }} */
const tokens = {};

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
  'hello': ({ token }) => get('/hello', token === 'none' ? undefined : tokens[token ?? 'access']),
  'refresh': () => post('/refresh', { refresh_token: tokens.refresh }),
  'sessions': () => get('/sessions', tokens.access),
  'end-sessions': ({ password, session }) => {
    return post('/sessions/end', { [passwordField]: password, id: session }, tokens.access);
  },
  'change-password': ({ password, next }) => post('/password', {
    [passwordField]: password,
    [`new_${passwordField}`]: next,
    refresh: tokens.refresh === undefined ? undefined : true,
  }, tokens.access),
  'log-out': () => {
    if (tokens.refresh !== undefined) return post('/logout', { refresh_token: tokens.refresh });
    return { ...get('/logout', tokens.access), method: 'POST' };
  },
  'remove': ({ password }) => {
    return post('/account/remove', { [passwordField]: password }, tokens.access);
  },
};

/**
 * What the page does after a success, by the id of the form.
 * @type {Record<string, (answer: Answer, fields: Fields) => void>}
 */
const effects = {
  'sign-up': (_answer, fields) => fillUsernames(fields),
  'log-in': (answer, fields) => {
    fillUsernames(fields);
    keepTokens(answer);
  },
  'refresh': keepTokens,
  'sessions': showSessions,
  'change-password': keepTokens,
  'log-out': () => replaceTokens(),
  'remove': () => replaceTokens(),
};

/** @type {(fields: Fields) => Members} */
function credentials({ username, password }) {
  return { [usernameField]: username, [passwordField]: password };
}

/** @type {(path: string, token?: string) => Sent} */
function get(path, token) {
  const headers = token === undefined ? {} : { Authorization: `${application.scheme} ${token}` };
  return { method: 'GET', path, headers };
}

/** @type {(path: string, body: Members, token?: string) => Sent} */
function post(path, body, token) {
  const headers = { ...get(path, token).headers, 'Content-Type': 'application/json' };
  return { method: 'POST', path, headers, body };
}

// Sending

/** @type {(sent: Sent) => Promise<Answer>} */
async function send({ method, path, headers, body }) {
  // Relative to the page, because a proxy may serve the application below a path of its own.
  const response = await fetch(`.${path}`, {
    method,
    headers,
    redirect: 'error',
    ...(body && { body: JSON.stringify(body) }),
  });
  const { status, statusText } = response;
  const content = await response.text();
  return { status, statusText, headers: response.headers, body: parsed(content) };
}

/** @type {(id: string, makeRequest: (fields: Fields) => Sent) => void} */
function addStep(id, makeRequest) {
  const form = document.getElementById(id);
  // A step that this server does not have was removed from the page.
  if (!(form instanceof HTMLFormElement)) return;
  const section = form.closest('section') ?? form;
  const [request, answer] = section.querySelectorAll('.exchange pre');
  const result = section.querySelector('.result');
  let isWaiting = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (isWaiting) return;
    isWaiting = true;
    const fields = Object.fromEntries(new FormData(form, event.submitter));
    const sent = makeRequest(fields);
    show(request, requestText(sent));
    show(answer, 'Waiting for the answer');
    // Emptied first, so that a screen reader also reads a result that is the same as before.
    show(result, '');
    const received = await send(sent).catch(() => undefined);
    isWaiting = false;
    show(answer, received === undefined ? 'No answer' : answerText(received));
    const isDone = received !== undefined && received.status < 300;
    if (isDone) effects[id]?.(received, fields);
    show(result, isDone ? form.dataset['done'] : refusalText(received));
    result?.setAttribute('data-outcome', isDone ? 'done' : 'refused');
  });
}

/** @type {(sent: Sent) => string} */
function requestText({ method, path, headers, body }) {
  const secrets = [passwordField, `new_${passwordField}`];
  const withDots = JSON.stringify(body, (name, value) => {
    return secrets.includes(name) ? '••••••••' : value;
  }, 2);
  return messageText(`${method} ${path}`, Object.entries(headers), withDots);
}

// Tokens

/** @type {(answer: Answer) => void} */
function keepTokens({ body }) {
  replaceTokens(textOf(body, 'access_token'), textOf(body, 'refresh_token'));
}

/** @type {(access?: string, refresh?: string) => void} */
function replaceTokens(access, refresh) {
  const previous = tokens.access ?? tokens.previous;
  const claims = claimsOf(access);
  const seconds = Number(member(claims, 'exp')) - Number(member(claims, 'iat'));
  // Counted from now, because the clocks of the browser and of the server may differ.
  Object.assign(tokens, { access, refresh, previous, expiresAtMs: Date.now() + seconds * 1000 });
  showToken(access, claims);
  showExpiry();
}

/** @type {(token?: string) => unknown} the claims, or undefined if it is not a JSON Web Token */
function claimsOf(token) {
  const [, payload = ''] = token?.split('.') ?? [];
  try {
    const binary = atob(payload.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

/** @type {(token: string | undefined, claims: unknown) => void} */
function showToken(token, claims) {
  const parts = token?.split('.') ?? [];
  const spans = parts.map((part, index) => {
    const span = newElement('span', index === 0 ? part : `.${part}`);
    span.className = `part-${index + 1}`;
    return span;
  });
  show(byId('token-text'), token === undefined ? 'No token' : '');
  byId('token-text').append(...spans);
  byId('token-parts').hidden = parts.length !== 3;
  fillTable('token-claims', Object.entries(claims ?? {}).map(([name, value]) => {
    const time = ['iat', 'nbf', 'exp'].includes(name) ? `: ${timeText(value)}` : '';
    const meaning = newElement('small', `${wordsIn('meanings', name) ?? ''}${time}`);
    return [name, newElement('div', JSON.stringify(value), meaning)];
  }));
}

function showExpiry() {
  const { access, expiresAtMs = NaN } = tokens;
  const seconds = Math.round((expiresAtMs - Date.now()) / 1000);
  const expired = 'It has expired. The server refuses it after a leeway of a few seconds.';
  const left = seconds > 0 ? `It expires in ${duration(seconds)}.` : expired;
  const known = Number.isNaN(seconds) ? 'The page cannot tell when it expires.' : left;
  show(byId('token-expiry'), access === undefined ? 'The page has no access token.' : known);
}

/** @type {(answer: Answer) => void} */
function showSessions({ body }) {
  const list = member(body, 'sessions');
  fillTable('session-list', (Array.isArray(list) ? list : []).map((session) => {
    const began = timeText(member(session, 'started_at'));
    const note = member(session, 'is_current') === true ? ', this session' : '';
    const button = newElement('button', 'End');
    button.setAttribute('form', 'end-sessions');
    button.setAttribute('name', 'session');
    button.setAttribute('value', textOf(session, 'id') ?? '');
    button.setAttribute('aria-label', `End the session that began ${began}`);
    const detail = newElement('small', `began ${began}${note}`);
    return [newElement('div', textOf(session, 'agent') || 'an unknown client', detail), button];
  }));
}

/** @type {(fields: Fields) => void} */
function fillUsernames({ username = '' }) {
  for (const input of document.querySelectorAll('input[name="username"]')) {
    if (input instanceof HTMLInputElement) input.value = username;
  }
}

// The start

for (const section of document.querySelectorAll('section:not(:has(.exchange))')) {
  section.append(copyOf('exchange'));
}
const unneeded = [
  application.hasSessions ? '[data-without="sessions"]' : '[data-needs="sessions"]',
  ...(application.canRemove ? [] : ['section:has(#remove)']),
];
for (const element of document.querySelectorAll(unneeded.join())) element.remove();
for (const hint of document.querySelectorAll('[data-hint]')) {
  show(hint, `At least ${application.minPasswordLength} characters`);
}
for (const [id, makeRequest] of Object.entries(requests)) addStep(id, makeRequest);
setInterval(showExpiry, 1000);
