/**
 * The login of the page: its tokens, its username, and what the page shows of them.
 * Promise: the tokens are kept in `login` and in the shown text alone. When a login ends, only the
 * step that ended it still shows anything of it.
 */
'use strict';

/**
 * `number` counts the logins and their ends. An answer belongs to the login with which its request
 * was sent, so the page drops the answer if the number has changed since.
 * @type {{ number: number, username?: string | undefined, access?: string, refresh?: string,
 *   previous?: string, expiresAtMs?: number }}
 */
const login = { number: 0 };

/** The forms whose requests do not belong to a login. */
const WITHOUT_LOGIN = ['sign-up', 'log-in'];

/** @type {(username: string | undefined, answer: Answer) => void} */
function beginLogin(username, answer) {
  login.number += 1;
  clearSteps();
  fillUsernames(username);
  byId('who').dataset['state'] = 'in';
  show(byId('who'), 'You are logged in as ', newElement('b', username ?? ''), '.');
  login.username = username;
  keepTokens(answer);
}

function endLogin() {
  login.number += 1;
  login.username = undefined;
  clearSteps();
  byId('who').dataset['state'] = 'out';
  show(byId('who'), 'You are not logged in.');
  replaceTokens();
}

/** @type {(answer: Answer) => void} */
function keepTokens({ body }) {
  replaceTokens(textOf(body, 'access_token'), textOf(body, 'refresh_token'));
}

/** @type {(access?: string, refresh?: string) => void} */
function replaceTokens(access, refresh) {
  const previous = login.access ?? login.previous;
  const claims = claimsOf(access);
  const seconds = Number(member(claims, 'exp')) - Number(member(claims, 'iat'));
  // Counted from now, because the clocks of the browser and of the server may differ.
  Object.assign(login, { access, refresh, previous, expiresAtMs: Date.now() + seconds * 1000 });
  byId('hello-previous').toggleAttribute('disabled', previous === undefined);
  showToken(access, claims);
  showExpiry();
}

/** @type {() => unknown} the id of the session of the access token */
function ownSessionId() {
  return member(claimsOf(login.access), 'sid');
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

// What is shown

/** @type {(token: string | undefined, claims: unknown) => void} */
function showToken(token, claims) {
  const parts = token?.split('.') ?? [];
  const spans = parts.map((part, index) => {
    const span = newElement('span', index === 0 ? part : `.${part}`);
    span.className = `part-${index + 1}`;
    return span;
  });
  if (token === undefined) showEmpty(byId('token-text'), 'No token');
  else show(byId('token-text'), ...spans);
  byId('token-parts').hidden = parts.length !== 3;
  fillTable('token-claims', Object.entries(claims ?? {}).map(([name, value]) => {
    const time = ['iat', 'nbf', 'exp'].includes(name) ? `: ${timeText(value)}` : '';
    const meaning = newElement('small', `${wordsIn('meanings', name) ?? ''}${time}`);
    return [name, newElement('div', JSON.stringify(value), meaning)];
  }));
}

function showExpiry() {
  show(byId('token-expiry'), expiryText());
}

/** @type {() => string} */
function expiryText() {
  const { access, refresh, expiresAtMs = NaN } = login;
  if (access === undefined) return 'The page has no access token.';
  const seconds = Math.round((expiresAtMs - Date.now()) / 1000);
  if (Number.isNaN(seconds)) return 'The page cannot tell when it expires.';
  if (seconds > 0) return `It expires in ${duration(seconds)}.`;
  const advice = refresh === undefined ? ' Log in again.' : '';
  return `It has expired. The server refuses it after a leeway of a few seconds.${advice}`;
}

/** @type {(username?: string, place?: string) => void} in all forms, or in that of a selector */
function fillUsernames(username = '', place = 'form') {
  for (const input of document.querySelectorAll(`${place} input[name="username"]`)) {
    if (input instanceof HTMLInputElement) input.value = username;
  }
}

/** @type {(answer: Answer) => void} */
function showSessions({ body }) {
  const list = member(body, 'sessions');
  fillTable('session-list', (Array.isArray(list) ? list : []).map((session) => {
    const began = timeText(member(session, 'started_at'));
    const note = member(session, 'is_current') === true ? ', this session' : '';
    const button = newElement('button', 'End');
    button.className = 'danger';
    button.setAttribute('form', 'end-sessions');
    button.setAttribute('name', 'session');
    button.setAttribute('value', textOf(session, 'id') ?? '');
    button.setAttribute('aria-label', `End the session that began ${began}`);
    const detail = newElement('small', `began ${began}${note}`);
    return [newElement('div', textOf(session, 'agent') || 'an unknown client', detail), button];
  }));
}

/** Empties the list. If the focus is in it, the focus moves to the button that fills it again. */
function clearSessions() {
  const list = document.getElementById('session-list');
  // The page of a server without sessions has no such list.
  if (list === null) return;
  const hadFocus = list.contains(document.activeElement);
  fillTable('session-list', []);
  if (hadFocus) byId('list-sessions').focus();
}
