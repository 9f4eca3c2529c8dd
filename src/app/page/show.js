/**
 * Turns answers, times and rows into text and elements of the page. `page.js` uses these functions:
 * both are scripts without imports, so that the page is one document.
 * Promise: text from a server or a person becomes text nodes alone, so it is never read as HTML.
 */
'use strict';

/** @typedef {{ status: number, statusText: string, headers: Headers, body: unknown }} Answer */

// Answers

/** @type {(answer: Answer) => string} */
function answerText({ status, statusText, headers, body }) {
  const names = ['Content-Type', 'Error-Code', 'Retry-After', 'WWW-Authenticate'];
  const shown = names.filter((name) => headers.has(name)).map((name) => [name, headers.get(name)]);
  const content = typeof body === 'string' ? body : JSON.stringify(body, null, 2);
  return messageText(`${status} ${statusText}`, shown, content);
}

/** @type {(start: string, headers: unknown[][], content?: string) => string} */
function messageText(start, headers, content) {
  const head = [start, ...headers.map((header) => header.join(': '))].join('\n');
  return content === undefined ? head : `${head}\n\n${content}`;
}

/** @type {(answer: Answer | undefined) => string} */
function refusalText(answer) {
  if (answer === undefined) {
    return 'No answer came. The server may have stopped, or the network is down.';
  }
  const { status, headers, body } = answer;
  const code = headers.get('Error-Code') ?? 'no Error-Code';
  const said = member(body, 'description') ?? member(body, 'result');
  const words = wordsIn('advice', code) ?? (typeof said === 'string' ? `${said}.` : '');
  const waitSeconds = Number(headers.get('Retry-After') ?? 0);
  const wait = waitSeconds > 0 ? ` Try again in ${duration(waitSeconds)}.` : '';
  return `Refused: ${words}${wait} (${status}, ${code})`;
}

// Elements

/** @type {(id: string) => HTMLElement} */
function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element ${id}`);
  return found;
}

/** @type {(element: Element | null | undefined, content?: string) => void} */
function show(element, content = '') {
  element?.classList.remove('empty');
  element?.replaceChildren(content);
}

/** @type {(kind: string, ...content: (string | Node)[]) => HTMLElement} */
function newElement(kind, ...content) {
  const element = document.createElement(kind);
  element.append(...content);
  return element;
}

/** @type {(id: string, rows: (string | Node)[][]) => void} shows the table if it has rows */
function fillTable(id, rows) {
  const lines = rows.map((cells) => {
    return newElement('tr', ...cells.map((cell) => newElement('td', cell)));
  });
  byId(id).querySelector('tbody')?.replaceChildren(...lines);
  byId(id).hidden = rows.length === 0;
}

/** @type {(id: string) => DocumentFragment} a copy of the content of a template */
function copyOf(id) {
  const template = byId(id);
  if (!(template instanceof HTMLTemplateElement)) throw new Error(`${id} is not a template`);
  return document.importNode(template.content, true);
}

/** @type {(id: string, key: string) => string | undefined} words of a template, by their id */
function wordsIn(id, key) {
  const found = copyOf(id).getElementById(key);
  return found?.textContent.trim().replaceAll(/\s+/g, ' ');
}

// Values

/** @type {(json: string) => unknown} the value, or the text itself if it is not JSON */
function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** @type {(value: unknown, name: string) => unknown} an own member of a JSON value */
function member(value, name) {
  const members = typeof value === 'object' ? value : null;
  return Object.getOwnPropertyDescriptor(members ?? {}, name)?.value;
}

/** @type {(value: unknown, name: string) => string | undefined} */
function textOf(value, name) {
  const found = member(value, name);
  return typeof found === 'string' ? found : undefined;
}

/** @type {(seconds: unknown) => string} */
function timeText(seconds) {
  return new Date(Number(seconds) * 1000).toLocaleString();
}

/** @type {(seconds: number) => string} */
function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
