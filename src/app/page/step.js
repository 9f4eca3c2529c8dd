/**
 * The look of a step: a section with one or two forms, a result, a request and its answer.
 * Promise: while a step waits, it sends nothing else. A step that is cleared shows nothing of what
 * it did before.
 */
'use strict';

/**
 * The field that a refusal is about: the first of these that the form has.
 * @type {Record<string, string[]>}
 */
const FIELDS_BY_CODE = {
  ERR_USERNAME: ['username'],
  ERR_USER_EXISTS: ['username'],
  ERR_CREDENTIALS: ['password'],
  ERR_PASSWORD_TOO_SHORT: ['next', 'password'],
  ERR_PASSWORD_TOO_LONG: ['next', 'password'],
  ERR_PASSWORD_INVALID: ['next', 'password'],
  ERR_PASSWORD_FORBIDDEN: ['next', 'password'],
};

/** @type {(form: Element) => Element} */
function sectionOf(form) {
  return form.closest('section') ?? form;
}

/** @type {(section: Element) => DocumentFragment} an empty place for a request and its answer */
function newExchange(section) {
  const exchange = copyOf('exchange');
  const heading = section.querySelector('h2')?.textContent;
  for (const name of exchange.querySelectorAll('.unseen')) show(name, `${heading}: `);
  return exchange;
}

/** @type {(form: Element) => boolean} whether a form of the same step waits for an answer */
function isWaiting(form) {
  return sectionOf(form).querySelector('[aria-busy]') !== null;
}

/** @type {(form: HTMLFormElement, sent: Sent) => void} */
function showWaiting(form, sent) {
  const section = sectionOf(form);
  clearFaults(section);
  form.setAttribute('aria-busy', 'true');
  showRequest(section.querySelector('[data-part="request"]'), sent);
  showEmpty(section.querySelector('[data-part="answer"]'), 'Waiting for the answer …');
  showResult(section, 'waiting', 'Waiting for the answer …');
}

/**
 * @param {HTMLFormElement} form
 * @param {Sent} sent shown again, because a change of the login may have cleared the step
 * @param {Answer} answer
 * @param {{ problem: string | undefined, done: string | void }} outcome
 */
function showOutcome(form, sent, answer, { problem, done = form.dataset['done'] }) {
  const section = sectionOf(form);
  const code = codeOf(answer);
  form.removeAttribute('aria-busy');
  showRequest(section.querySelector('[data-part="request"]'), sent);
  showAnswer(section.querySelector('[data-part="answer"]'), answer);
  showResult(section, problem === undefined ? 'done' : 'refused', problem ?? done ?? '');
  if (problem === undefined || code === 'ERR_CREDENTIALS') clearPasswords(form);
  if (problem !== undefined) showFault(form, code);
}

/** @type {(section: Element, state: string, words: string) => void} */
function showResult(section, state, words) {
  const result = section.querySelector('.result');
  result?.setAttribute('data-state', state);
  show(result, words);
}

/** Clears all steps, except a sign-up or a login that waits: its answer is still to be shown. */
function clearSteps() {
  clearSessions();
  for (const section of document.querySelectorAll('section:has(form)')) {
    const forms = [...section.querySelectorAll('form')];
    if (isWaiting(section) && forms.some(({ id }) => WITHOUT_LOGIN.includes(id))) continue;
    for (const form of forms) {
      form.removeAttribute('aria-busy');
      form.reset();
    }
    clearFaults(section);
    showResult(section, 'none', '');
    section.querySelector('.exchange')?.replaceWith(newExchange(section));
  }
}

/** @type {(form: HTMLFormElement) => void} */
function clearPasswords(form) {
  for (const input of form.querySelectorAll('input')) {
    if (input.type === 'password') input.value = '';
  }
}

// Fields at fault

/** @type {(form: HTMLFormElement, code: string) => void} marks the field of a refusal */
function showFault(form, code) {
  const inputs = [...form.querySelectorAll('input')];
  const names = FIELDS_BY_CODE[code] ?? [];
  const field = names.flatMap((name) => inputs.filter((input) => input.name === name))[0];
  if (field === undefined) return;
  field.setAttribute('aria-invalid', 'true');
  setDescribed(field, true);
  // A person who has gone on to another step stays there.
  const { activeElement, body } = document;
  if (activeElement === body || sectionOf(form).contains(activeElement)) field.focus();
}

/** @type {(section: Element) => void} */
function clearFaults(section) {
  for (const field of section.querySelectorAll('[aria-invalid]')) {
    field.removeAttribute('aria-invalid');
    setDescribed(field, false);
  }
}

/**
 * Adds the result of the step to the texts that describe a field, or removes it.
 * @type {(field: Element, isDescribed: boolean) => void}
 */
function setDescribed(field, isDescribed) {
  const resultId = sectionOf(field).querySelector('.result')?.id ?? '';
  const ids = field.getAttribute('aria-describedby')?.split(' ') ?? [];
  const others = ids.filter((id) => id !== resultId);
  const all = isDescribed ? [resultId, ...others] : others;
  if (all.length > 0) field.setAttribute('aria-describedby', all.join(' '));
  else field.removeAttribute('aria-describedby');
}
