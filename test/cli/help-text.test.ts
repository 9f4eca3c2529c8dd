/** The help of a command, made of its table of flags. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noValue, oneOf, someText, wholeNumber } from '../../src/cli/arguments.ts';
import { helpOf, helpRow } from '../../src/cli/help-text.ts';

const FLAGS = {
  size: {
    name: '--size',
    group: 'Limits',
    help: 'maximum size in bytes',
    kind: wholeNumber('<bytes>', 1, 100),
    variable: 'SIZE',
    defaultText: '10',
  },
  mode: {
    name: '--mode-with-a-very-long-name',
    group: 'Limits',
    help: 'mode',
    kind: oneOf('fast', 'safe'),
    defaultText: 'safe',
  },
  all: { name: '--all', group: 'Limits', help: 'all of them', kind: noValue },
  file: {
    name: '--file',
    group: 'Files',
    help: 'file to read',
    kind: someText('<file>', 'a file'),
  },
};

test('the help has a heading for each group, and the default at the end of each row', () => {
  assert.equal(helpOf(FLAGS), [
    'Limits:',
    '  --size <bytes>             maximum size in bytes (env SIZE, default 10)',
    '  --mode-with-a-very-long-name fast|safe',
    '                             mode (default safe)',
    '  --all                      all of them',
    '',
    'Files:',
    '  --file <file>              file to read',
  ].join('\n'));
});

test('a note that does not fit into 80 columns goes to a line of its own', () => {
  const phrase = 'a phrase of thirty characters.';
  const note = 'default 123456789';
  const oneLine = helpRow('--flag', phrase, note);
  assert.equal(oneLine, `${'  --flag'.padEnd(29)}${phrase} (${note})`);
  assert.ok(oneLine.length <= 80);
  const longer = `${note}01234`;
  assert.equal(helpRow('--flag', phrase, longer).split('\n')[1], `${' '.repeat(29)}(${longer})`);
});

test('the long name of a flag without a value has no space behind it', () => {
  const all = { ...FLAGS.all, name: '--a-name-of-more-than-twenty-eight-letters' };
  assert.match(helpOf({ all }), /letters\n {29}all of them$/);
});
